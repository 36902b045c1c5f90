"""A script's torchvision transforms as operations of the library, and the tail as a table.

Key idea: geometry (crops, resizes, flips, pads, grey) becomes a list of operations; everything that
works on each value alone (ToTensor, ToDtype, Normalize, ...) is not understood but executed, on a
ramp of all 256 values per channel, and the result is the pack table. A second picture checks that
the table explains it. Whatever is not known exactly raises Unmapped with its name.

Stages of a pipeline: a Pillow image, then a uint8 tensor, then values. Drawing is the same in all
of them; resampling and padding are not.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from . import _lib, stock

PIL_STAGE, BYTES_STAGE, VALUES_STAGE = range(3)
MAX_OPS = 16
_MODULES = (
    "torchvision.transforms.functional",
    "torchvision.transforms._functional_pil",
    "torchvision.transforms._functional_tensor",
    "torchvision.transforms.functional_pil",
    "torchvision.transforms.functional_tensor",
    "torchvision.transforms.transforms",
    "torchvision.transforms.v2._utils",
    "torchvision.transforms.v2.functional._color",
    "torchvision.transforms.v2.functional._geometry",
    "torchvision.transforms.v2.functional._meta",
    "torchvision.transforms.v2.functional._misc",
    "torchvision.transforms.v2.functional._type_conversion",
    "torchvision.transforms.v2.functional._utils",
)


class Unmapped(Exception):
    """This pipeline has no exact equivalent; the text names the first thing in the way."""


@dataclass(frozen=True)
class OpSpec:
    """One dlop_op."""

    kind: int
    i: tuple[int, ...] = ()
    f: tuple[float, ...] = ()


@dataclass(frozen=True)
class Recipe:
    """Everything that a plan needs; equal recipes make equal tensors."""

    ops: tuple[OpSpec, ...]
    src_channels: int
    out_channels: int
    dtype: Any  # torch.dtype
    table: bytes = field(repr=False)
    layout: str | None  # of one sample: "chw", "hwc", None = depends on what was drawn
    resampler: int
    wrap: type | None  # tv_tensors.Image where the sample is one


@dataclass
class _State:
    """What the transforms so far have made of an image."""

    channels: int
    stage: int
    ops: list[OpSpec] = field(default_factory=list)
    ramp: Any = None
    probe: Any = None
    resampler: int | None = None
    geometry_after_tensor: bool = False


def flatten(transform: Any) -> Iterator[Any]:
    """The transforms in order, nested Compose and Sequential taken apart."""
    import torch

    v1 = sys.modules.get("torchvision.transforms.transforms")
    v2 = sys.modules.get("torchvision.transforms.v2")
    composes = [m.Compose for m in (v1, v2) if m is not None]
    if type(transform) in composes:
        stock.check_instance(transform)
        parts = transform.transforms
    elif type(transform) is torch.nn.Sequential:
        stock.check_instance(transform)
        parts = list(transform)
    else:
        yield transform
        return
    for part in parts:
        yield from flatten(part)


def family(transform: Any) -> tuple[str, str]:
    """("v1" or "v2", class name), or Unmapped where it is not torchvision's own class."""
    cls = type(transform)
    for label, module_name in (
        ("v1", "torchvision.transforms.transforms"),
        ("v2", "torchvision.transforms.v2"),
    ):
        module = sys.modules.get(module_name)
        if module is not None and getattr(module, cls.__name__, None) is cls:
            return label, cls.__name__
    raise Unmapped(f"transform {describe(transform)}")


def describe(thing: Any) -> str:
    """Name of a transform for a report line."""
    name = getattr(thing, "__qualname__", None) or type(thing).__qualname__
    module = getattr(thing, "__module__", None) or type(thing).__module__
    return name if module.startswith(("torchvision.", "torch.", "builtins")) else f"{module}.{name}"


def _freeze(value: Any) -> Any:
    if isinstance(value, (list, tuple)):
        return tuple(_freeze(v) for v in value)
    if isinstance(value, dict):
        return tuple((repr(k), _freeze(v)) for k, v in value.items())
    if hasattr(value, "tolist"):
        return ("array", _freeze(value.tolist()))
    try:
        hash(value)
    except TypeError:
        return ("object", id(value))
    return (type(value).__name__, value)


def signature(transform: Any) -> tuple[Any, ...]:
    """A key that changes when any parameter of any part changes."""
    import torch

    parts: list[Any] = [str(torch.get_default_dtype())]
    for part in flatten(transform):
        values = [
            (k, _freeze(v))
            for k, v in getattr(part, "__dict__", {}).items()
            if not k.startswith("_") or k in ("_fill", "_log_ratio")
        ]
        parts.append((type(part), tuple(values)))
    return tuple(parts)


def recognise(transform: Any, mode: str) -> Recipe:
    """The recipe of a transform that is given "RGB" or "L" Pillow images, or "tensor" (uint8 RGB).

    Raises Unmapped or stock.Modified. Runs the pointwise transforms on small pictures; leaves the
    random state alone.
    """
    import torch

    if transform is None:
        raise Unmapped("no transform: samples are not tensors")
    parts = list(flatten(transform))
    names = [family(part) for part in parts]
    stock.check_global_hooks()
    stock.check_modules(_MODULES)
    for part in parts:
        stock.check_instance(part)
    if torch.get_default_dtype() is not torch.float32:
        raise Unmapped("default dtype other than float32")
    channels = 1 if mode == "L" else 3
    state = _State(channels, PIL_STAGE)
    if mode == "tensor":
        _start_probes(state)
        state.ramp, state.probe = _as_uint8(state.ramp), _as_uint8(state.probe)
        state.stage = BYTES_STAGE
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        before = torch.get_rng_state()
        for part, (label, name) in zip(parts, names):
            _apply(state, part, label, name)
        if not torch.equal(before, torch.get_rng_state()):
            raise Unmapped("a pointwise transform draws random numbers")
    return _finish(state, channels)


def _apply(state: _State, part: Any, label: str, name: str) -> None:
    if name in _POINTWISE[label]:
        _apply_pointwise(state, part, name)
        return
    handler = _GEOMETRY.get(name)
    if handler is None:
        raise Unmapped(f"transform {name}")
    handler(state, part, label)
    if state.stage != PIL_STAGE:
        state.geometry_after_tensor = True
    if len(state.ops) > MAX_OPS - 1:
        raise Unmapped("too many transforms")


# ---- the tail: run on pictures, not understood ---------------------------------------------------

_POINTWISE = {
    "v1": {"ToTensor", "PILToTensor", "ConvertImageDtype", "Normalize"},
    "v2": {
        "ToTensor",
        "PILToTensor",
        "ToImage",
        "ToPureTensor",
        "ToDtype",
        "ConvertImageDtype",
        "Normalize",
        "Identity",
    },
}
_PROBE_SIZE = (37, 23)


def _start_probes(state: _State) -> None:
    from PIL import Image

    mode = "L" if state.channels == 1 else "RGB"
    ramp = bytes(v for v in range(256) for _ in range(state.channels))
    state.ramp = Image.frombytes(mode, (256, 1), ramp)
    width, height = _PROBE_SIZE
    noise = bytes((k * k * 31 + k * 17) >> 3 & 255 for k in range(width * height * state.channels))
    state.probe = Image.frombytes(mode, _PROBE_SIZE, noise)


def _as_uint8(image: Any) -> Any:
    """A Pillow image as torch's own decoders give it: [c][h][w] on [h][w][c] memory."""
    import torch

    channels = len(image.getbands())
    flat = torch.frombuffer(bytearray(image.tobytes()), dtype=torch.uint8)
    return flat.view(image.size[1], image.size[0], channels).permute(2, 0, 1)


def _apply_pointwise(state: _State, part: Any, name: str) -> None:
    import torch

    if state.ramp is None:
        _start_probes(state)
    try:
        state.ramp, state.probe = part(state.ramp), part(state.probe)
    except Exception as error:
        raise Unmapped(f"{name} raises {type(error).__name__}") from error
    if not isinstance(state.ramp, torch.Tensor):
        return
    is_ramp = state.ramp.dtype is torch.uint8 and bool(
        (state.ramp == torch.arange(256, dtype=torch.uint8)).all()
    )
    state.stage = BYTES_STAGE if is_ramp else VALUES_STAGE


def _finish(state: _State, src_channels: int) -> Recipe:
    import torch

    ramp, probe = state.ramp, state.probe
    if not isinstance(ramp, torch.Tensor):
        raise Unmapped("the last transform does not give a tensor")
    width, height = _PROBE_SIZE
    channels = state.channels
    if tuple(ramp.shape) != (channels, 1, 256) or tuple(probe.shape) != (channels, height, width):
        raise Unmapped("the last transform changes the shape")
    plain_ramp, plain_probe = ramp.as_subclass(torch.Tensor), probe.as_subclass(torch.Tensor)
    if plain_ramp.device.type != "cpu" or plain_ramp.requires_grad:
        raise Unmapped("samples are not on the CPU")
    table = plain_ramp[:, 0, :].contiguous()
    bits = _bits(table)
    source = _probe_source(channels)
    explained = torch.stack([bits[c][source[c].long()] for c in range(channels)])
    if not torch.equal(explained, _bits(plain_probe.contiguous())):
        raise Unmapped("the last transforms do not work on each value alone")
    layout = None if state.geometry_after_tensor else _layout(plain_probe)
    wrap = type(ramp) if type(ramp) is not torch.Tensor else None
    return Recipe(
        ops=tuple(state.ops),
        src_channels=src_channels,
        out_channels=channels,
        dtype=plain_ramp.dtype,
        table=bytes(table.view(torch.uint8).numpy()),
        layout=layout,
        resampler=_lib.RESAMPLER_PILLOW if state.resampler is None else state.resampler,
        wrap=wrap,
    )


def _bits(values: Any) -> Any:
    """Values as integers of the same size, so that equal means equal bits."""
    import torch

    by_size = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
    kind = by_size.get(values.element_size())
    if kind is None:
        raise Unmapped(f"samples of type {values.dtype}")
    return values.view(kind)


def _probe_source(channels: int) -> Any:
    state = _State(channels, PIL_STAGE)
    _start_probes(state)
    return _as_uint8(state.probe)


def _layout(sample: Any) -> str | None:
    channels, height, width = sample.shape
    if sample.stride() == (height * width, width, 1):
        return "chw"
    if sample.stride() == (1, width * channels, channels):
        return "hwc"
    return None


# ---- geometry ------------------------------------------------------------------------------------


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, int):
        return size, size
    values = [int(v) for v in size]
    if len(values) == 1:
        values *= 2
    if len(values) != 2 or min(values) < 1 or any(v != w for v, w in zip(values, size)):
        raise Unmapped(f"size {size!r}")
    return values[0], values[1]


def _interpolation(part: Any, label: str) -> tuple[int, Any]:
    from torchvision.transforms.functional import InterpolationMode, pil_modes_mapping

    value = part.interpolation
    if isinstance(value, int) and not isinstance(value, bool):
        by_number = {v: k for k, v in pil_modes_mapping.items() if k.value != "nearest-exact"}
        value = by_number.get(value)
    elif isinstance(value, str) and label == "v2":
        value = next((m for m in InterpolationMode if m.value == value), None)
    if not isinstance(value, InterpolationMode):
        raise Unmapped(f"interpolation {part.interpolation!r}")
    return int(pil_modes_mapping[value]), value


def _filter(state: _State, part: Any, label: str, out: tuple[int, int] | None) -> int:
    """Filter number of a resampling transform; remembers whose resampler it is."""
    number, mode = _interpolation(part, label)
    antialias = getattr(part, "antialias", None)
    if state.stage == PIL_STAGE:
        if antialias is False:
            raise Unmapped("antialias=False on Pillow images")
        wanted = _lib.RESAMPLER_PILLOW
    else:
        _check_tensor_filter(state, mode, antialias, label, out)
        wanted = _lib.RESAMPLER_TENSOR
    if state.resampler not in (None, wanted):
        raise Unmapped("resizes of Pillow images and of tensors in one pipeline")
    state.resampler = wanted
    return number


def _check_tensor_filter(
    state: _State, mode: Any, antialias: Any, label: str, out: tuple[int, int] | None
) -> None:
    if state.stage != BYTES_STAGE or label != "v2":
        raise Unmapped("resize of float tensors")
    if antialias is not True or mode.value not in ("bilinear", "bicubic"):
        raise Unmapped(f"resize of tensors, {mode.value}, antialias={antialias}")
    if out is None or out[1] == 1:
        raise Unmapped("resize of tensors to a width that is not fixed, or 1")
    geometry = sys.modules.get("torchvision.transforms.v2.functional._geometry")
    native = getattr(geometry, "_do_native_uint8_resize_on_cpu", None)
    if native is None or not native(mode):
        raise Unmapped("resize of tensors through floats on this CPU")


def _resized_crop(state: _State, part: Any, label: str) -> None:
    import torch

    size = _pair(part.size)
    number = _filter(state, part, label, size)
    scale = tuple(float(v) for v in part.scale)
    ratio = tuple(float(v) for v in part.ratio)
    if len(scale) != 2 or len(ratio) != 2 or not (0 <= scale[0] <= scale[1]):
        raise Unmapped(f"scale {scale}")
    if not (0 < ratio[0] <= ratio[1]):
        raise Unmapped(f"ratio {ratio}")
    logs = getattr(part, "_log_ratio", None)
    if logs is None:
        logs = torch.log(torch.tensor(part.ratio))
    if logs.dtype is not torch.float32:
        raise Unmapped("log of the ratio in another precision")
    logs = logs.tolist()
    state.ops.append(OpSpec(_lib.OP_RESIZED_CROP, (*size, number), (*scale, *ratio, *logs)))


def _resize(state: _State, part: Any, label: str) -> None:
    size, max_size = part.size, part.max_size
    if size is None:
        _resize_long(state, part, label)
        return
    short = size if isinstance(size, int) else (size[0] if len(size) == 1 else None)
    if short is None:
        if max_size is not None:
            raise Unmapped("Resize with a pair and max_size")
        out = _pair(size)
        number = _filter(state, part, label, out)
        state.ops.append(OpSpec(_lib.OP_RESIZE, (*out, number)))
        return
    if type(short) is not int or short < 1:
        raise Unmapped(f"size {size!r}")
    if max_size is not None and (type(max_size) is not int or max_size <= short):
        raise Unmapped(f"max_size {max_size!r}")
    # The shorter side may be the width: width 1 is the only case in which it matters.
    number = _filter(state, part, label, (short, short))
    state.ops.append(OpSpec(_lib.OP_RESIZE_SHORT, (short, max_size or 0, number)))


def _resize_long(state: _State, part: Any, label: str) -> None:
    """v2.Resize(None, max_size): the longer side becomes max_size."""
    if label != "v2" or type(part.max_size) is not int or part.max_size < 1:
        raise Unmapped(f"Resize(None, max_size={part.max_size!r})")
    number = _filter(state, part, label, None)
    state.ops.append(OpSpec(_lib.OP_RESIZE_SHORT, (0, part.max_size, number)))


def _center_crop(state: _State, part: Any, label: str) -> None:
    if state.stage == VALUES_STAGE:
        raise Unmapped("CenterCrop after the conversion to floats")
    state.ops.append(OpSpec(_lib.OP_CENTER_CROP, _pair(part.size)))


def _padding(value: Any) -> tuple[int, int, int, int]:
    values = [value] if isinstance(value, int) else list(value)
    if any(type(v) is not int or v < 0 for v in values) or len(values) not in (1, 2, 4):
        raise Unmapped(f"padding {value!r}")
    if len(values) == 1:
        values *= 4
    elif len(values) == 2:
        values *= 2
    return values[0], values[1], values[2], values[3]


def _fill(state: _State, part: Any, label: str) -> tuple[int, int, int]:
    """Fill of each channel as the stage's own pad would use it."""
    import PIL.Image
    import torch

    value = part.fill
    if label == "v2":
        kind = PIL.Image.Image if state.stage == PIL_STAGE else torch.Tensor
        value = part._fill.get(kind, part._fill.get("others"))
    if value is None:
        value = 0
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    if len(values) == 1:
        values *= state.channels
    is_number = all(type(v) in (int, float) for v in values)
    if len(values) != state.channels or not is_number or any(int(v) != v for v in values):
        raise Unmapped(f"fill {value!r}")
    values = [int(v) for v in values]
    if min(values) < 0 or max(values) > 255:
        raise Unmapped(f"fill {value!r}")
    values += [values[-1]] * (3 - len(values))
    return values[0], values[1], values[2]


def _check_pad_stage(state: _State, mode: str) -> None:
    if mode not in _lib.PAD_MODES:
        raise Unmapped(f"padding mode {mode!r}")
    if state.stage == VALUES_STAGE or (state.stage == BYTES_STAGE and mode != "constant"):
        raise Unmapped(f"padding of tensors, {mode}")


def _pad(state: _State, part: Any, label: str) -> None:
    _check_pad_stage(state, part.padding_mode)
    mode = _lib.PAD_MODES[part.padding_mode]
    fill = _fill(state, part, label)
    state.ops.append(OpSpec(_lib.OP_PAD, (*_padding(part.padding), mode, *fill)))


def _random_crop(state: _State, part: Any, label: str) -> None:
    height, width = _pair(part.size)
    padding, fill, mode = (0, 0, 0, 0), (0, 0, 0), 0
    if part.padding is not None or part.pad_if_needed:
        _check_pad_stage(state, part.padding_mode)
        mode, fill = _lib.PAD_MODES[part.padding_mode], _fill(state, part, label)
    if part.padding is not None:
        padding = _padding(part.padding)
        if label == "v2":  # kept as left, right, top, bottom
            left, right, top, bottom = part.padding
            padding = _padding((left, top, right, bottom))
    needed, slack_only = int(bool(part.pad_if_needed)), int(label == "v2")
    values = (height, width, *padding, needed, mode, slack_only, *fill)
    state.ops.append(OpSpec(_lib.OP_RANDOM_CROP, values))


def _flip(kind: int) -> Callable[[_State, Any, str], None]:
    def handler(state: _State, part: Any, label: str) -> None:
        state.ops.append(OpSpec(kind, (), (float(part.p),)))

    return handler


def _grey(state: _State, part: Any, label: str) -> None:
    channels = part.num_output_channels
    if state.stage != PIL_STAGE or channels not in (1, 3):
        raise Unmapped("Grayscale of tensors")
    state.ops.append(OpSpec(_lib.OP_GREY, (channels,)))
    state.channels = channels


def _random_grey(state: _State, part: Any, label: str) -> None:
    if state.stage != PIL_STAGE:
        raise Unmapped("RandomGrayscale of tensors")
    state.ops.append(OpSpec(_lib.OP_RANDOM_GREY, (), (float(part.p),)))


_GEOMETRY: dict[str, Callable[[_State, Any, str], None]] = {
    "RandomResizedCrop": _resized_crop,
    "Resize": _resize,
    "CenterCrop": _center_crop,
    "RandomCrop": _random_crop,
    "Pad": _pad,
    "RandomHorizontalFlip": _flip(_lib.OP_FLIP_X),
    "RandomVerticalFlip": _flip(_lib.OP_FLIP_Y),
    "Grayscale": _grey,
    "RandomGrayscale": _random_grey,
}


_recipes: dict[tuple[Any, ...], Recipe] = {}
_MAX_RECIPES = 64


def cached(transform: Any, mode: str) -> Recipe:
    """recognise(), remembered by the values of all parts; the code is checked every time."""
    import torch

    if transform is None:
        raise Unmapped("no transform: samples are not tensors")
    key = (mode, torch.get_default_dtype(), signature(transform))
    recipe = _recipes.get(key)
    if recipe is None:
        recipe = recognise(transform, mode)
        if len(_recipes) >= _MAX_RECIPES:
            _recipes.clear()
        _recipes[key] = recipe
        return recipe
    stock.check_global_hooks()
    stock.check_modules(_MODULES)
    for part in flatten(transform):
        stock.check_instance(part)
    return recipe
