"""libjpeg-turbo's crop decode and DLOP's resize: a loader in C as an experienced programmer would
write it without DLOP's decoder (host/bench/turbo_loader.h). A thread per core; batches lie in
memory that is used again and are handed over without a copy."""

from __future__ import annotations

import ctypes as C
from collections.abc import Callable, Iterator
from typing import Any

from . import SIZE_PX, Job

TITLE = "libjpeg-turbo crop decode, DLOP's resize, in C"
NEEDS = ("torch",)
PACKAGES = ()
INSTALL = "make (it belongs to DLOP)"


def lacks() -> str:
    """The library that has the loader, where it cannot be loaded."""
    from .. import _bench_lib, _lib

    try:
        _bench_lib.lib()
    except _lib.LibraryError as error:
        return str(error)
    return ""


def versions() -> dict[str, str]:
    from .. import _bench_lib

    return {"libjpeg-turbo": _bench_lib.lib().dlop_bench_turbo_version().decode()}


def open_epochs(job: Job) -> Callable[[], Iterator[Any]]:
    import torch

    from .. import _bench_lib, _lib, probe

    lib, loader, n_all = _bench_lib.lib(), C.c_void_p(), len(job.samples)
    names = b"".join(path.encode(errors="surrogateescape") + b"\0" for path, _ in job.samples)
    cfg = _bench_lib.TurboCfg(
        n_threads=job.cores,
        batch_size=job.batch_size,
        is_fixed=int(job.is_fixed),
        pass_rule=probe.pass_rule(),
        seed=job.seed,
    )
    status = lib.dlop_bench_turbo_open(names, len(names), n_all, C.byref(cfg), C.byref(loader))
    _lib.check(status, "cannot open the loader")
    random = torch.Generator().manual_seed(job.seed)

    def epoch() -> Iterator[Any]:
        order = torch.arange(n_all) if job.is_fixed else torch.randperm(n_all, generator=random)
        numbers = (C.c_uint32 * n_all)(*order.tolist())
        _lib.check(lib.dlop_bench_turbo_start(loader, numbers), "cannot begin an epoch")
        images, n = C.c_void_p(), C.c_uint32()
        while (status := lib.dlop_bench_turbo_next(loader, C.byref(images), C.byref(n))) == 0:
            shape = (n.value, 3, SIZE_PX, SIZE_PX)
            floats = (C.c_float * (n.value * 3 * SIZE_PX * SIZE_PX)).from_address(images.value or 0)
            yield torch.frombuffer(floats, dtype=torch.float32).view(shape)
        if status != _bench_lib.END:
            raise OSError(lib.dlop_bench_turbo_error(loader).decode(errors="replace"))

    return epoch
