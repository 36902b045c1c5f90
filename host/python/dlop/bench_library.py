"""The library's own interface as a contestant of `dlop bench loader`: batches by dlop.h without
torch's protocol around them, so that forms of output which a script cannot ask for without a copy
can be compared.

Key idea: the recipe is the script's; only layout and elements change. Batches lie in memory that
is used again, as with any loader in C. Not here: records that the library hands back; they fail
the measurement.
"""

from __future__ import annotations

import ctypes as C
import dataclasses
from collections import deque
from collections.abc import Iterator
from typing import Any

from . import _lib, plan, transforms

OUTPUTS = ("f32-nchw", "f32-nhwc", "u8-nchw", "u8-nhwc")
_DEPTH = 4  # batches in flight
_WAIT_MS = 100


def _open_plan(transform: Any, output: str) -> plan.Plan:
    import torch

    recipe = transforms.cached(transform, "RGB")
    if output.startswith("u8"):
        identity = bytes(range(256)) * recipe.out_channels
        recipe = dataclasses.replace(recipe, table=identity, dtype=torch.uint8)
    return plan.Plan(recipe, output.endswith("nhwc"), None)


class Batches:
    """Epochs of random order over files, called like what a peer's open_epochs returns. output: one
    of OUTPUTS."""

    def __init__(self, paths: list[str], transform: Any, output: str, batch_size: int) -> None:
        import torch

        self._plan, self._n = _open_plan(transform, output), len(paths)
        self._batch_size = min(batch_size, self._n)
        names = b"".join(path.encode(errors="surrogateescape") + b"\0" for path in paths)
        out = C.c_void_p()
        self._context = _lib.context()
        status = _lib.lib().dlop_source_open_files(
            self._context.address, names, len(names), self._n, C.byref(out)
        )
        _lib.check(status, "cannot open the files")
        self._source = _lib.Handle(out.value, "dlop_source_close")
        cfg = _lib.config(
            _lib.LoaderCfg, n_streams=1, max_batches=_DEPTH, max_batch_records=self._batch_size
        )
        status = _lib.lib().dlop_loader_open(
            self._plan.handle.address, self._source.address, C.byref(cfg), C.byref(out)
        )
        _lib.check(status, "cannot open a loader")
        self._loader = _lib.Handle(out.value, "dlop_loader_close")
        assert self._plan.out_size is not None
        shape = (self._batch_size, *self._plan.sample_shape(self._plan.out_size))
        self._rooms = deque(
            torch.zeros(shape, dtype=self._plan.recipe.dtype) for _ in range(_DEPTH + 1)
        )

    def __call__(self) -> Iterator[Any]:
        """One epoch. A batch is the caller's until the next one is asked for."""
        import torch

        order = torch.randperm(self._n).tolist()
        parts = deque(order[k : k + self._batch_size] for k in range(0, self._n, self._batch_size))
        flying: deque[tuple[Any, Any, int]] = deque()
        try:
            while parts or flying:
                while parts and len(flying) < _DEPTH:
                    flying.append(self._submit(parts.popleft()))
                handle, room, n = flying[0]
                self._wait(handle)
                self._release(flying.popleft())
                yield room[:n]
        finally:
            while flying:
                self._release(flying.popleft())

    def _submit(self, records: list[int]) -> tuple[Any, Any, int]:
        room, batch = self._rooms.popleft(), C.c_void_p()
        status = _lib.lib().dlop_loader_submit(
            *(self._loader.address, 0, (C.c_uint64 * len(records))(*records), len(records)),
            *(room.data_ptr(), room.numel() * room.element_size(), C.byref(batch)),
        )
        _lib.check(status, "cannot submit a batch")
        return batch, room, len(records)

    def _wait(self, handle: Any) -> None:
        need = _lib.Need()
        while True:
            status = _lib.lib().dlop_batch_wait(
                self._loader.address, handle, _WAIT_MS, C.byref(need)
            )
            if status == _lib.OK:
                return
            if status == _lib.NEED_PIXELS:
                reason = need.reason.decode(errors="replace")
                raise OSError(f"record {need.index}: {reason}: not for the kernels")
            _lib.check(status, "a batch failed")

    def _release(self, one: tuple[Any, Any, int]) -> None:
        handle, room, _ = one
        _lib.lib().dlop_batch_release(self._loader.address, C.byref(handle))
        self._rooms.append(room)
