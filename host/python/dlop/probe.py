"""How the installed framework computes what the kernels must repeat, found by trying it out.

Key idea: no version numbers. A few thousand draws, some exponentials, a few small resizes and two
pictures decide between the rules that the library knows; where none fits, ProbeFailed says which,
and the loader gets a lower tier. Once per process, some tens of milliseconds.
"""

from __future__ import annotations

import ctypes as C
import functools
import io
from typing import Any

from . import _lib, rng

_N_DRAWS = 4096
_SEED = 20_250_117
_LOG_RATIO = 0.28768208622932434


class ProbeFailed(Exception):
    """The installed framework follows no known rule; the text says where."""


@functools.lru_cache(maxsize=1)
def draw_rules() -> _lib.DrawRules:
    """Rules of uniform_, exp and randint; raises ProbeFailed."""
    rules = _lib.config(_lib.DrawRules)
    rules.uniform_is_fused = _probe_uniform(rules)
    rules.randint_wide_log2 = _probe_randint(rules)
    _probe_integers(rules)
    _probe_exp(rules)
    return rules


def _generator() -> Any:
    import torch

    generator = torch.Generator()
    generator.manual_seed(_SEED)
    return generator


def _bytes(tensor: Any) -> bytes:
    return bytes(tensor.contiguous().numpy())


def _probe_uniform(rules: _lib.DrawRules) -> int:
    import torch

    generator = _generator()
    wanted = torch.empty(_N_DRAWS).uniform_(-_LOG_RATIO, _LOG_RATIO, generator=generator)
    single = [torch.empty(1).uniform_(0.08, 1.0, generator=generator) for _ in range(16)]
    out, out_single = torch.empty(_N_DRAWS), torch.empty(16)
    for fused in (1, 0):
        state = rng.seeded(_SEED)
        rules.uniform_is_fused = fused
        uniform = _lib.lib().dlop_rng_uniform
        uniform(state, rules, -_LOG_RATIO, _LOG_RATIO, out.data_ptr(), _N_DRAWS)
        uniform(state, rules, 0.08, 1.0, out_single.data_ptr(), 16)
        made, given = _bytes(out) + _bytes(out_single), _bytes(wanted) + _bytes(torch.cat(single))
        if made == given and rng.same(state, rng.from_torch(generator.get_state())):
            return fused
    raise ProbeFailed("torch's uniform_ follows no known rule")


def _probe_randint(rules: _lib.DrawRules) -> int:
    import torch

    generator = _generator()
    draw = functools.partial(torch.randint, size=(1,), generator=generator)
    wanted = [int(draw(0, high)) for high in (7, 1 << 30, 1 << 33, 1000, 1 << 28)]
    out = C.c_int64()
    for log2 in (28, 32):
        state = rng.seeded(_SEED)
        rules.randint_wide_log2 = log2
        got = []
        for high in (7, 1 << 30, 1 << 33, 1000, 1 << 28):
            _lib.lib().dlop_rng_randint(state, rules, 0, high, C.byref(out), 1)
            got.append(out.value)
        if got == wanted:
            return log2
    raise ProbeFailed("torch's randint follows no known rule")


def _probe_integers(rules: _lib.DrawRules) -> None:
    import torch

    generator = _generator()
    state = rng.seeded(_SEED)
    seed = int(torch.empty((), dtype=torch.int64).random_(generator=generator))
    order = torch.randperm(37, generator=generator)
    out = torch.empty(37, dtype=torch.int64)
    got_seed = _lib.lib().dlop_rng_seed64(state)
    _lib.lib().dlop_rng_randperm(state, out.data_ptr(), 37)
    if seed != got_seed or not torch.equal(order, out):
        raise ProbeFailed("torch's randperm or random_ follows no known rule")
    if not rng.same(state, rng.from_torch(generator.get_state())):
        raise ProbeFailed("torch's generator is left in another state")


def _probe_exp(rules: _lib.DrawRules) -> None:
    import torch

    draws = torch.empty(_N_DRAWS).uniform_(-_LOG_RATIO, _LOG_RATIO, generator=_generator())
    wanted = _bytes(torch.exp(draws))
    if _bytes(torch.cat([torch.exp(draws[i : i + 1]) for i in range(64)])) != wanted[: 64 * 4]:
        raise ProbeFailed("torch.exp of one value differs from torch.exp of many")
    address = _vms_exp()
    kinds = [_lib.EXP_POLY_FMA, _lib.EXP_LIBM, _lib.EXP_ROUNDED]
    for kind in [_lib.EXP_MKL, *kinds] if address else kinds:
        rules.exp_kind, rules.exp_fn = kind, address if kind == _lib.EXP_MKL else 0
        values = draws.clone()
        _lib.lib().dlop_exp(rules, values.data_ptr(), _N_DRAWS)
        if _bytes(values) == wanted:
            return
    raise ProbeFailed("torch.exp follows no known rule")


def _vms_exp() -> int:
    """Address of MKL's vmsExp inside the loaded libtorch, or 0."""
    with open("/proc/self/maps", encoding="utf-8", errors="surrogateescape") as maps:
        paths = {line.split(None, 5)[5].strip() for line in maps if "libtorch_cpu" in line}
    for path in paths:
        try:
            function = C.CDLL(path).vmsExp
        except (OSError, AttributeError):
            continue
        return C.cast(function, C.c_void_p).value or 0
    return 0


# ---- pixels --------------------------------------------------------------------------------------


def picture(width: int, height: int, mode: str = "RGB") -> Any:
    """A Pillow image with edges, gradients and fine structure, always the same."""
    import torch
    from PIL import Image

    channels = 1 if mode == "L" else 3
    x = torch.arange(width).view(1, -1, 1)
    y = torch.arange(height).view(-1, 1, 1)
    c = torch.arange(channels).view(1, 1, -1)
    blocks = (torch.div(x, 9, rounding_mode="floor") + torch.div(y, 7, rounding_mode="floor")) % 3
    values = (x * 3 + y * 5 + c * 40 + 37 * blocks + (x * y >> 3)) & 255
    return Image.frombytes(mode, (width, height), bytes(values.to(torch.uint8).numpy()))


# (width, height) of sources and targets: a case on each side of every bound of the known rules.
# The pictures are such that the two orders give different bytes.
PASS_CASES = (
    ((8, 64), (9, 8)),
    ((20, 41), (10, 20)),
    ((20, 40), (10, 20)),
    ((9, 30), (16, 32)),
    ((2, 201), (3, 50)),
    ((2, 200), (3, 50)),
    ((2, 205), (3, 210)),
    ((64, 40), (24, 23)),
    ((40, 40), (11, 50)),
)


@functools.lru_cache(maxsize=1)
def pass_rule() -> int:
    """Order in which the installed Pillow resamples the axes; raises ProbeFailed."""
    from PIL import Image

    images = [(picture(*size), target) for size, target in PASS_CASES]
    wanted = [image.resize(target, Image.BILINEAR).tobytes() for image, target in images]
    for rule in (_lib.PASS_SHRINK, _lib.PASS_TALL_100, _lib.PASS_ALWAYS_X):
        made = (_resize(image, target, rule) for image, target in images)
        if all(a == b for a, b in zip(made, wanted)):
            return rule
    raise ProbeFailed("Pillow's resize follows no known rule")


def _resize(image: Any, target: tuple[int, int], rule: int) -> bytes:
    width, height = target
    op = _lib.Op(kind=_lib.OP_RESIZE)
    op.i[:3] = [height, width, 2]
    ramp = bytes(range(256)) * 3
    table = C.create_string_buffer(ramp, len(ramp))
    cfg = _lib.config(
        _lib.PlanCfg,
        n_ops=1,
        ops=C.pointer(op),
        rules=C.pointer(draw_rules()),
        src_channels=3,
        out_channels=3,
        element_bytes=1,
        is_hwc=1,
        pass_rule=rule,
        pack_table=C.cast(table, C.c_void_p),
    )
    plan = open_plan(cfg)
    out = C.create_string_buffer(width * height * 3)
    pixels = image.tobytes()
    sizes = C.c_uint32(), C.c_uint32()
    status = _lib.lib().dlop_plan_run_pixels(
        plan.address,
        shared_decoder().address,
        rng.seeded(0),
        pixels,
        image.size[1],
        image.size[0],
        out,
        len(out),
        C.byref(sizes[0]),
        C.byref(sizes[1]),
    )
    plan.close()
    return out.raw if status == _lib.OK else b""


def open_plan(cfg: _lib.PlanCfg) -> _lib.Handle:
    """dlop_plan_open in this process's context; ProbeFailed with the library's reason."""
    out, reason = C.c_void_p(), C.create_string_buffer(200)
    status = _lib.lib().dlop_plan_open(
        _lib.context().address, C.byref(cfg), C.byref(out), reason, len(reason)
    )
    if status == _lib.ERR_NO_PLAN:
        raise ProbeFailed(reason.value.decode() or "no plan for these transforms")
    _lib.check(status, "cannot open a plan")
    return _lib.Handle(out.value, "dlop_plan_close")


_decoders: dict[tuple[int, int], _lib.Handle] = {}


def shared_decoder() -> _lib.Handle:
    """The decoder of this process and thread."""
    import os
    import threading

    key = (os.getpid(), threading.get_ident())
    if key not in _decoders:
        _decoders[key] = _lib.decoder()
    return _decoders[key]


@functools.lru_cache(maxsize=1)
def jpeg() -> None:
    """Two small JPEG files, decoded by the installed Pillow and by the kernels; ProbeFailed."""
    from PIL import Image

    for subsampling in (0, 2):
        file = io.BytesIO()
        picture(61, 43).save(file, "JPEG", quality=88, subsampling=subsampling)
        data = file.getvalue()
        wanted = Image.open(io.BytesIO(data)).convert("RGB").tobytes()
        if decode(data, 61, 43, 3) != wanted:
            raise ProbeFailed("Pillow decodes JPEG to other pixels")


def decode(data: bytes, width: int, height: int, channels: int) -> bytes | None:
    """Pixels [h][w][channels] of a JPEG file by the kernels, None where they refuse it."""
    out = C.create_string_buffer(width * height * channels)
    status = _lib.lib().dlop_decoder_jpeg(
        shared_decoder().address, data, len(data), channels, out, len(out)
    )
    return out.raw if status == _lib.OK else None


def jpeg_info(data: bytes) -> _lib.ImageInfo | None:
    """Header of a JPEG file that the kernels can decode, else None."""
    info, reason = _lib.ImageInfo(), C.create_string_buffer(120)
    status = _lib.lib().dlop_jpeg_info(data, len(data), C.byref(info), reason, len(reason))
    return info if status == _lib.OK else None
