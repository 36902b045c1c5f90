"""Plans of the library for recipes, each proved once against the script's own transform.

Key idea: before a plan is used, the script's transform and the plan make the same few pictures from
the same random states; one different bit, or another state afterwards, and the plan is refused.
"""

from __future__ import annotations

import ctypes as C
import os
from typing import Any

from . import _lib, probe, rng
from .transforms import OpSpec, Recipe, Unmapped

_TEST_SIZES = ((151, 113), (120, 260))
_plans: dict[tuple[Any, ...], Plan] = {}


class Plan:
    """An open plan; out_size is (height, width), or None where it depends on the record."""

    def __init__(self, recipe: Recipe, is_hwc: bool, fixed: tuple[int, int] | None) -> None:
        self.recipe, self.is_hwc = recipe, is_hwc
        self.element_bytes = len(recipe.table) // (256 * recipe.out_channels)
        ops = list(recipe.ops) if fixed is None else _with_sizes(recipe.ops, fixed)
        self.handle = self._open(ops)
        height, width = C.c_uint32(), C.c_uint32()
        _lib.lib().dlop_plan_out_size(self.handle.address, C.byref(height), C.byref(width))
        self.out_size = (height.value, width.value) if height.value else None

    def _open(self, ops: list[OpSpec]) -> _lib.Handle:
        recipe = self.recipe
        array = (_lib.Op * max(len(ops), 1))()
        for slot, op in zip(array, ops):
            slot.kind = op.kind
            slot.i[: len(op.i)] = op.i
            slot.f[: len(op.f)] = op.f
        table = C.create_string_buffer(recipe.table, len(recipe.table))
        cfg = _lib.config(
            _lib.PlanCfg,
            n_ops=len(ops),
            ops=C.cast(array, C.POINTER(_lib.Op)),
            rules=C.pointer(probe.draw_rules()),
            src_channels=recipe.src_channels,
            out_channels=recipe.out_channels,
            element_bytes=self.element_bytes,
            is_hwc=int(self.is_hwc),
            resampler=recipe.resampler,
            pass_rule=probe.pass_rule(),
            pack_table=C.cast(table, C.c_void_p),
            max_pixels=_max_pixels(),
        )
        return probe.open_plan(cfg)

    def sample_shape(self, size: tuple[int, int]) -> tuple[int, int, int]:
        """Shape of one sample as the plan writes it."""
        channels = self.recipe.out_channels
        return (*size, channels) if self.is_hwc else (channels, *size)

    def run(self, state: _lib.RngState, pixels: Any, height: int, width: int) -> Any | None:
        """One sample from pixels [h][w][c] (bytes), drawing from `state`; None where refused."""
        import torch

        if self.out_size is None:
            return None
        out = torch.empty(self.sample_shape(self.out_size), dtype=self.recipe.dtype)
        sizes = C.c_uint32(), C.c_uint32()
        status = _lib.lib().dlop_plan_run_pixels(
            self.handle.address,
            probe.shared_decoder().address,
            state,
            pixels,
            height,
            width,
            out.data_ptr(),
            out.numel() * self.element_bytes,
            C.byref(sizes[0]),
            C.byref(sizes[1]),
        )
        if status != _lib.OK:
            return None
        return self.as_sample(out)

    def as_sample(self, values: Any) -> Any:
        """Values as the plan wrote them, seen as the script's transform gives them."""
        if self.is_hwc:
            values = values.permute(2, 0, 1)
        return values if self.recipe.wrap is None else values.as_subclass(self.recipe.wrap)


def _with_sizes(ops: tuple[OpSpec, ...], fixed: tuple[int, int]) -> list[OpSpec]:
    """The same operations for records that all have the size (height, width): the plan then knows
    the size of its output."""
    height, width = fixed
    made = [OpSpec(_lib.OP_CENTER_CROP, fixed)]
    for op in ops:
        if op.kind == _lib.OP_RESIZE_SHORT:
            height, width = _resized(height, width, *op.i[:2])
            op = OpSpec(_lib.OP_RESIZE, (height, width, op.i[2]))
        elif op.kind == _lib.OP_PAD:
            left, top, right, bottom = op.i[:4]
            height, width = height + top + bottom, width + left + right
        elif op.kind in _SETS_SIZE:
            height, width = op.i[:2]
        made.append(op)
    return made


_SETS_SIZE = (_lib.OP_RESIZED_CROP, _lib.OP_RESIZE, _lib.OP_CENTER_CROP, _lib.OP_RANDOM_CROP)


def _resized(height: int, width: int, short: int, longest: int) -> tuple[int, int]:
    """Size after a resize of the shorter side (0: of the longer side to `longest`)."""
    is_tall = width <= height
    old_short, old_long = (width, height) if is_tall else (height, width)
    new_short, new_long = short, int(short * old_long / old_short)
    if short == 0:
        new_short, new_long = int(longest * old_short / old_long), longest
    elif longest and new_long > longest:
        new_short, new_long = int(longest * new_short / new_long), longest
    return (new_long, new_short) if is_tall else (new_short, new_long)


def _max_pixels() -> int:
    from PIL import Image

    return int(Image.MAX_IMAGE_PIXELS or 0)


def get(
    recipe: Recipe, is_hwc: bool, transform: Any, mode: str, fixed: tuple[int, int] | None
) -> Plan:
    """The plan of a recipe in this process; opened and proved at the first call for it.

    fixed: (height, width) of all records, where all have the same. Raises Unmapped,
    probe.ProbeFailed or _lib.LibraryError.
    """
    key = (_lib.context().address, os.getpid(), recipe, is_hwc, fixed, mode, _max_pixels())
    plan = _plans.get(key)
    if plan is None:
        probe.jpeg()
        plan = Plan(recipe, is_hwc, fixed)
        _prove(plan, transform, mode, fixed)
        _plans[key] = plan
    return plan


def _prove(plan: Plan, transform: Any, mode: str, fixed: tuple[int, int] | None) -> None:
    import torch

    from . import transforms

    sizes = [(fixed[1], fixed[0])] * 2 if fixed else _TEST_SIZES
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        for seed, (width, height) in enumerate(sizes):
            image = probe.picture(width, height, "L" if mode == "L" else "RGB")
            pixels = image.tobytes()
            torch.default_generator.manual_seed(seed)  # not those of GPUs
            state = rng.from_torch(torch.get_rng_state())
            try:
                wanted = transform(transforms._as_uint8(image) if mode == "tensor" else image)
            except Exception:
                continue  # crops larger than this picture
            if plan.out_size is None:
                continue
            made = plan.run(state, pixels, height, width)
            if made is None or not _equal(made, wanted):
                raise Unmapped("the self-test of this pipeline found other values")
            if not rng.same(state, rng.from_torch(torch.get_rng_state())):
                raise Unmapped("the self-test of this pipeline drew other random numbers")


def _equal(a: Any, b: Any) -> bool:
    import torch

    if type(a) is not type(b) or a.dtype is not b.dtype or a.shape != b.shape:
        return False
    a, b = a.as_subclass(torch.Tensor).contiguous(), b.as_subclass(torch.Tensor).contiguous()
    return torch.equal(a.view(torch.uint8), b.view(torch.uint8))
