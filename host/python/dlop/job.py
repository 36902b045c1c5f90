"""All that one loader's tier A iterators need: records, plan, source, policies.

Key idea: prepare() either returns a Job or raises one of OBSTACLES with the first thing in the way;
it draws no random numbers and does not touch the sampler, so that the caller can still let torch do
everything itself. Made anew for each iterator, since scripts change datasets between epochs; what
did not change is reused.
"""

from __future__ import annotations

import ctypes as C
import os
import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from . import _lib, datasets, memory, plan, probe, report, stock, transforms
from .transforms import Unmapped

OBSTACLES = (Unmapped, stock.Modified, probe.ProbeFailed, _lib.LibraryError)
_MAX_RECORDS = 4096  # of a batch whose size a script's own batch sampler decides


@dataclass
class Job:
    """See above."""

    dataset: Any
    records: datasets.Records
    plan: plan.Plan
    entry: report.Loader
    on_error: str
    n_verify: int
    max_records: int
    is_default_collate: bool
    is_hwc: bool
    fingerprint: list[Any]
    spare: memory.Spare  # files in memory that iterators leave to the next
    worker_states: list[tuple[Any, Any, Any]] | None = None
    broken: Callable[[str], None] = field(default=lambda reason: None)

    def source(self) -> _lib.Handle:
        """The records in the library, opened once per process and set of bases."""
        bases = self.records.bases
        key = (os.getpid(), _lib.context().address, *(id(base) for base in bases))
        cache = bases[0].sources
        if key not in cache:
            cache[key] = (_open_source(self.records), bases)
        return cache[key][0]

    def is_current(self) -> bool:
        """Whether the dataset is still what the plan was made for."""
        try:
            now = _fingerprint(self.dataset)
        except OBSTACLES:
            return False
        return len(now) == len(self.fingerprint) and all(
            a is b or (type(a) is tuple and a == b) for a, b in zip(now, self.fingerprint)
        )

    def refresh(self) -> bool:
        """Make records and plan anew after a change; False where that is not possible."""
        try:
            self.records = datasets.recognise(self.dataset)
            self.plan, self.is_hwc = _plan(self.records, self.is_default_collate)
            self.fingerprint = _fingerprint(self.dataset)
        except OBSTACLES as obstacle:
            self.entry.say("C", f"changed meanwhile: {obstacle}")
            return False
        return True

    def give_up(self, reason: str) -> None:
        """A verified batch differed: this loader is the framework's from now on."""
        self.entry.say("C", reason)
        self.broken(reason)

    def collates(self, collate_fn: Any, n_workers: int) -> list[Any]:
        """The collate function of each worker: an object would have been copied into each."""
        import copy
        import types

        if isinstance(collate_fn, (types.FunctionType, types.BuiltinFunctionType)):
            return [collate_fn] * n_workers
        return [copy.deepcopy(collate_fn) for _ in range(n_workers)]

    def dataset_as_worker_sees_it(self, loader: Any) -> Any:
        """With workers, attributes that the script rebinds later must not be seen."""
        return _snapshot(loader.dataset) if loader.num_workers > 0 else loader.dataset


def _snapshot(dataset: Any) -> Any:
    import copy

    twin = copy.copy(dataset)
    inner = getattr(twin, "dataset", None)
    if type(twin).__name__ == "Subset" and inner is not None:
        twin.dataset = _snapshot(inner)
    elif type(twin).__name__ == "ConcatDataset":
        twin.datasets = [_snapshot(part) for part in twin.datasets]
    return twin


def is_default_collate(loader: Any) -> bool:
    """Whether the loader's collate function is torch's own, with torch's own table of types."""
    import torch
    from torch.utils.data._utils import collate

    if loader.collate_fn is not collate.default_collate:
        return False
    stock.check_modules(("torch.utils.data._utils.collate",))
    table = getattr(collate, "default_collate_fn_map", {})
    for kind in (torch.Tensor, int, float, str):
        if kind in table:
            stock.check_function(table[kind], f"default_collate of {kind.__name__}")
    return True


_spares: weakref.WeakKeyDictionary[Any, memory.Spare] = weakref.WeakKeyDictionary()


def prepare(loader: Any, entry_of: Callable[[datasets.Records], report.Loader]) -> Job:
    """A Job, or one of OBSTACLES."""
    options = _lib.options()
    _check_environment()
    records = datasets.recognise(loader.dataset)
    default = is_default_collate(loader) and loader.batch_sampler is not None
    made, is_hwc = _plan(records, default)
    if loader.batch_sampler is None:
        max_records = 1
    else:
        max_records = loader.batch_size or getattr(loader.batch_sampler, "batch_size", None)
        max_records = max_records if type(max_records) is int else _MAX_RECORDS
    if made.recipe.wrap is not None and loader.batch_sampler is None and loader.num_workers > 0:
        raise Unmapped("unbatched tv_tensors from worker processes")
    return Job(
        dataset=loader.dataset,
        records=records,
        plan=made,
        entry=entry_of(records),
        on_error=options["on-error"],
        n_verify=options["verify"],
        max_records=min(max_records, max(records.n, 1), 65536),
        is_default_collate=default,
        is_hwc=is_hwc,
        fingerprint=_fingerprint(loader.dataset),
        spare=_spare_of(loader),
    )


def _spare_of(loader: Any) -> memory.Spare:
    """The process's spare files, which live as long as some loader."""
    made = _spares[loader] = memory.spare()
    return made


def _check_environment() -> None:
    """Settings of the script under which draws or memory are not the ones that we know."""
    import torch

    if torch.get_default_dtype() is not torch.float32:
        raise Unmapped("default dtype other than float32")
    get_device = getattr(torch, "get_default_device", None)
    if get_device is not None and get_device().type != "cpu":
        raise Unmapped("default device other than the CPU")


def _plan(records: datasets.Records, is_default: bool) -> tuple[plan.Plan, bool]:
    """The one plan of all bases."""
    fixed = None
    if records.bases[0].kind == "pixels":
        sizes = {base.pixels.shape[1:3] for base in records.bases}
        if len(sizes) != 1:
            raise Unmapped("arrays of images of different sizes")
        height, width = sizes.pop()
        fixed = (int(height), int(width))
    recipes = [transforms.cached(b.dataset.transform, b.mode) for b in records.bases]
    if any(recipe != recipes[0] for recipe in recipes):
        raise Unmapped("datasets with different transforms in one loader")
    recipe, base = recipes[0], records.bases[0]
    if not is_default and recipe.layout is None:
        raise Unmapped("samples whose strides depend on the image, with a collate function")
    is_hwc = not is_default and recipe.layout == "hwc"
    made = plan.get(recipe, is_hwc, base.dataset.transform, base.mode, fixed)
    if made.out_size is None:
        raise Unmapped("samples of different sizes")
    return made, is_hwc


def _fingerprint(dataset: Any) -> list[Any]:
    """Objects and values that decide what samples look like."""
    parts: list[Any] = [dataset]
    if type(dataset).__name__ == "Subset":
        return [*parts, dataset.indices, *_fingerprint(dataset.dataset)]
    if type(dataset).__name__ == "ConcatDataset":
        return [*parts, *(p for part in dataset.datasets for p in _fingerprint(part))]
    for name in ("samples", "data", "targets", "loader", "transform", "target_transform"):
        parts.append(getattr(dataset, name, None))
    parts.append(transforms.signature(dataset.transform))
    return parts


def _open_source(records: datasets.Records) -> _lib.Handle:
    import numpy

    out, context = C.c_void_p(), _lib.context().address
    if records.bases[0].kind == "files":
        names, n = datasets.source_paths(records, absolute=True)
        status = _lib.lib().dlop_source_open_files(context, names, len(names), n, C.byref(out))
        _lib.check(status, "cannot open the files")
        return _lib.Handle(out.value, "dlop_source_close")
    arrays = [base.pixels for base in records.bases]
    pixels = arrays[0] if len(arrays) == 1 else numpy.concatenate(arrays)
    channels = pixels.shape[3] if pixels.ndim == 4 else 1
    status = _lib.lib().dlop_source_open_pixels(
        context,
        pixels.ctypes.data,
        len(pixels),
        pixels.shape[1],
        pixels.shape[2],
        channels,
        C.byref(out),
    )
    _lib.check(status, "cannot open the pixels")
    handle = _lib.Handle(out.value, "dlop_source_close")
    handle.pixels = pixels  # the library reads them in place
    return handle
