"""What a batch looks like to the script: memory, layout, containers, collation, comparison.

Key idea: with default collation the library writes straight into the tensor that the script gets;
with any other collate function, or none, the samples are views with the strides that the script's
own transform gives. Tensors lie in shared memory exactly where a worker process would have put
them, and pinned where the script asked for it. Not here: where memory comes from (memory.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch._utils import ExceptionWrapper
from torch.utils.data._utils.collate import default_collate
from torch.utils.data._utils.fetch import _MapDatasetFetcher

from . import datasets, memory, rng
from .engine import Entry
from .job import Job

_N_HELD = 2  # batches that a loop holds: its last one while the next is handed out
NOTHING = object()  # a batch that the error policy left empty

__all__ = ["NOTHING", "ExceptionWrapper", "Form", "Samples", "is_pinned", "replay_samples"]


@dataclass
class Samples:
    """A batch before collation."""

    images: Any  # [n][...] as the plan wrote it, or a list of the script's own samples
    targets: list[Any]
    is_stock: bool = False


class Given:
    """A dataset whose samples of the next batch are there already: torch's own fetcher collates
    them, so that tracebacks of the script's collate function look as they do without us."""

    def __init__(self, samples: list[Any]) -> None:
        self._samples = samples

    def __getitem__(self, index: Any) -> Any:
        return self._samples[0]

    def __getitems__(self, indices: Any) -> list[Any]:
        return self._samples


class Form:
    """Allocation and presentation of one iterator's batches."""

    def __init__(
        self, job: Job, is_batched: bool, is_shared: bool, is_pinned: bool, depth: int
    ) -> None:
        """depth: batches in flight."""
        self._job, self._is_batched = job, is_batched
        self.is_shared, self._is_pinned = is_shared, is_pinned
        size = job.plan.out_size
        assert size is not None
        self._sample_shape = job.plan.sample_shape(size)
        self._is_default = job.is_default_collate and is_batched
        self._pool = memory.Pool(depth + _N_HELD, job.spare)

    def close(self) -> None:
        """No batch is in flight any more, and none will be asked for."""
        self._pool.close()

    def allocate(self, n: int) -> memory.Room:
        """Memory for n samples, which nobody else has."""
        shape = (n, *self._sample_shape)
        dtype = self._job.plan.recipe.dtype
        if self._is_pinned and self._is_default:
            return memory.room_of(torch.empty(shape, dtype=dtype, pin_memory=True))
        if self.is_shared and self._is_default:
            return self._pool.room(shape, dtype)
        return memory.room_of(memory.new_private(shape, dtype))

    def samples(self, entry: Entry, records: datasets.Records) -> Samples | None:
        """The finished entry, its holes closed by the error policy; None where nothing is left."""
        images, numbers = entry.out.tensor, entry.records
        if entry.holes:
            good = [k for k in range(len(numbers)) if k not in set(entry.holes)]
            if not good:
                return None
            if self._job.on_error == "replace":
                good = [_nearest(k, good) for k in range(len(numbers))]
            images = images[torch.tensor(good)]
            images = images.share_memory_() if self.is_shared else images
            numbers = [numbers[k] for k in good]
        return Samples(images, records.targets(numbers))

    def from_stock(self, wanted: list[Any]) -> Samples:
        """Samples that the script's own code made."""
        return Samples(wanted, [], is_stock=True)

    def collate(self, samples: Samples, collate_fn: Any) -> Any:
        """Into what the script's loader hands out."""
        if self._is_default and not samples.is_stock:
            targets = _default_targets(samples.targets)
            if self.is_shared:
                targets = _shared_targets(targets)
            elif self._is_pinned and isinstance(targets, torch.Tensor):
                targets = targets.pin_memory()
            return [samples.images, targets]
        given = Given(self._singles(samples))
        fetcher, index = _MapDatasetFetcher(given, self._is_batched, collate_fn, False), [0]
        data = fetcher.fetch(index)
        return shared(data) if self.is_shared and self._is_default else data

    def _singles(self, samples: Samples) -> list[Any]:
        if samples.is_stock:
            return samples.images
        as_sample = self._job.plan.as_sample
        return [(as_sample(i), t) for i, t in zip(samples.images, samples.targets)]

    def verify(
        self, samples: Samples | None, wanted: list[Any], number: int, state: Any, after: Any
    ) -> bool:
        """Compare with the script's own samples; a difference goes to the report."""
        entry = self._job.entry
        entry.verified_batches += 1
        made = self._singles(samples) if samples is not None else []
        where = _first_difference(made, wanted)
        if where is None and rng.same(state, after):
            return True
        where = where or {"what": "random state after the batch"}
        entry.mismatches.append({"batch": number, **where})
        self._job.give_up(f"verification: batch {number} differs ({where['what']})")
        return False


def _nearest(position: int, good: list[int]) -> int:
    """A record that was not left out; a position that was takes the good one before it."""
    before = [k for k in good if k <= position]
    return before[-1] if before else good[0]


def _default_targets(targets: list[Any]) -> Any:
    if {*map(type, targets)} == {int}:
        return torch.tensor(targets)
    return default_collate(tuple(targets))  # strings stay the sequence that they come in


def _shared_targets(targets: Any) -> Any:
    """As shared(); numbers in fewer system calls than the framework's own way takes."""
    if type(targets) is torch.Tensor:
        return memory.new_shared(tuple(targets.shape), targets.dtype).copy_(targets)
    return shared(targets)


def shared(data: Any) -> Any:
    """Move the tensors inside the usual containers to shared memory, as sending them would."""
    if isinstance(data, torch.Tensor):
        if data.device.type == "cpu" and data.layout is torch.strided and not data.is_shared():
            data.share_memory_()
    elif isinstance(data, dict):
        for value in data.values():
            shared(value)
    elif isinstance(data, (list, tuple)):
        for value in data:
            shared(value)
    return data


def is_pinned(data: Any) -> bool:
    """Whether everything of a default batch is pinned already."""
    return isinstance(data, list) and all(
        isinstance(value, torch.Tensor) and value.is_pinned() for value in data
    )


def wrap_exception(worker: int) -> ExceptionWrapper:
    """The exception being handled, as a worker process would send it."""
    return ExceptionWrapper(where=f"in DataLoader worker process {worker}")


def replay_samples(dataset: Any, index: Any, is_batched: bool) -> list[Any]:
    """The script's own samples of a batch."""
    if not is_batched:
        return [dataset[index]]
    if getattr(dataset, "__getitems__", None):
        return dataset.__getitems__(index)
    return [dataset[i] for i in index]


def _first_difference(made: list[Any], wanted: list[Any]) -> dict[str, Any] | None:
    if len(made) != len(wanted):
        return {"what": f"{len(made)} samples instead of {len(wanted)}"}
    for k, (mine, theirs) in enumerate(zip(made, wanted)):
        what = _sample_difference(mine, theirs)
        if what:
            return {"what": f"sample {k}: {what}"}
    return None


def _sample_difference(mine: tuple[Any, Any], theirs: tuple[Any, Any]) -> str | None:
    image, wanted = mine[0], theirs[0]
    if type(image) is not type(wanted) or image.dtype is not wanted.dtype:
        return f"{image.dtype} instead of {getattr(wanted, 'dtype', type(wanted))}"
    if image.shape != wanted.shape:
        return f"shape {tuple(image.shape)} instead of {tuple(wanted.shape)}"
    a = image.as_subclass(torch.Tensor).contiguous().view(torch.uint8)
    b = wanted.as_subclass(torch.Tensor).contiguous().view(torch.uint8)
    if not torch.equal(a, b):
        place = (a != b).nonzero()[0].tolist()
        return f"{int((a != b).sum())} bytes differ, the first at {place}"
    if not _same_target(mine[1], theirs[1]):
        return f"target {mine[1]!r} instead of {theirs[1]!r}"
    return None


def _same_target(mine: Any, theirs: Any) -> bool:
    if isinstance(theirs, torch.Tensor):
        return isinstance(mine, torch.Tensor) and torch.equal(mine, theirs)
    return type(mine) is type(theirs) and mine == theirs
