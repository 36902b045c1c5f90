"""The iterator of tier A: torch's protocol and torch's order of random draws, the library's work.

Key idea: everything that the script can observe happens where torch has it. The base class draws
the base seed; the sampler is iterated here, at the same moments and as far ahead; batches go round
robin to virtual workers whose streams are seeded base + w. Only fetching and collating is replaced.
With no workers the streams are the global generator itself, taken and given back at each batch.

Not here: which loaders qualify (hook.py), batches in flight (engine.py).
"""

from __future__ import annotations

import contextlib
import itertools
import os
import weakref
from typing import Any

from torch.utils.data import _utils
from torch.utils.data.dataloader import (
    _BaseDataLoaderIter,
    _DatasetKind,
    _MultiProcessingDataLoaderIter,
    _SingleProcessDataLoaderIter,
)

from . import batch as batches
from . import rng
from .engine import REPLAY, Engine, Entry, TimedOut
from .job import Job

_MAX_IN_FLIGHT = 64
_live: weakref.WeakSet[TierAIter] = weakref.WeakSet()


def close_all() -> None:
    """At interpreter exit: no thread may write into memory that torch gives back."""
    for iterator in list(_live):
        iterator._shutdown()


class TierAIter(_BaseDataLoaderIter):
    """Base of the two iterators below."""

    def __init__(self, loader: Any, job: Job, stock: type) -> None:
        super().__init__(loader)
        self._profile_name = f"enumerate(DataLoader)#{stock.__name__}.__next__"
        self._job = job
        self._pid = os.getpid()
        self._n_batches = 0
        self._is_stock_now = False  # a verified batch differed: the rest by the script's own code
        self._seats: list[rng.Seat] = []
        self._fetcher = _DatasetKind.create_fetcher(
            self._dataset_kind,
            job.dataset_as_worker_sees_it(loader),
            self._auto_collation,
            self._collate_fn,
            self._drop_last,
        )
        self._engine: Engine | None = None
        _live.add(self)

    def _open(self, n_streams: int, depth: int) -> Engine:
        job = self._job
        is_shared = self._num_workers > 0 and not self._pin_memory
        self._form = batches.Form(job, self._auto_collation, is_shared, self._pin_memory, depth)
        return Engine(
            job.plan,
            job.source(),
            job.records,
            job.entry,
            job.on_error,
            n_streams,
            depth,
            job.max_records,
            self._form.allocate,
        )

    def _shutdown(self) -> None:
        engine, self._engine = self._engine, None
        if engine is not None:
            engine.close()
            self._form.close()

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # interpreter shutdown
            self._shutdown()

    def _finish(self, entry: Entry, engine: Engine) -> Any:
        """The complete entry as (images, targets) before collation; removes it from the queue."""
        made = self._form.samples(entry, self._job.records)
        self._job.entry.batches += 1
        self._job.entry.samples += len(entry.records) - len(entry.holes)
        engine.pop(entry)
        return made

    def _must_verify(self) -> bool:
        self._n_batches += 1
        return self._n_batches <= self._job.n_verify


class NoWorkersIter(TierAIter):
    """num_workers = 0: draws come from the global generator at each next()."""

    def __init__(self, loader: Any, job: Job) -> None:
        super().__init__(loader, job, _SingleProcessDataLoaderIter)

    def _next_data(self) -> Any:
        import torch

        index = self._next_index()
        job = self._job
        if not self._is_stock_now and not job.is_current():
            self._shutdown()
            self._is_stock_now = not job.refresh()
        if self._is_stock_now:
            return self._stock_fetch(index)
        engine = self._engine
        if engine is None:
            engine = self._engine = self._open(1, 1)
        blob = torch.get_rng_state()
        engine.set_stream(0, rng.from_torch(blob))
        entry = engine.push(index, 0, self._auto_collation)
        engine.wait(entry, 0)
        if entry.state == REPLAY:
            engine.pop(entry)
            return self._stock_fetch(index)
        after = engine.states_of(entry)[1]
        samples = self._finish(entry, engine)
        if samples is None:  # the error policy left nothing of it
            torch.set_rng_state(rng.into_torch(after, blob))
            return self._next_data()
        if self._must_verify() and not entry.holes:
            wanted = batches.replay_samples(self._fetcher.dataset, index, self._auto_collation)
            drawn = rng.from_torch(torch.get_rng_state())
            if not self._form.verify(samples, wanted, self._n_batches - 1, drawn, after):
                self._is_stock_now = True
                return self._pinned(self._collate_fn(wanted))
        else:
            torch.set_rng_state(rng.into_torch(after, blob))
        return self._pinned(self._form.collate(samples, self._collate_fn))

    def _stock_fetch(self, index: Any) -> Any:
        return self._pinned(self._fetcher.fetch(index))

    def _pinned(self, data: Any) -> Any:
        if self._pin_memory:
            data = _utils.pin_memory.pin_memory(data, self._pin_memory_device)
        return data


class WorkersIter(TierAIter):
    """num_workers > 0: as many streams, served by this process."""

    def __init__(self, loader: Any, job: Job) -> None:
        super().__init__(loader, job, _MultiProcessingDataLoaderIter)
        self._prefetch_factor = loader.prefetch_factor
        self._in_order = getattr(loader, "in_order", True)
        depth = min(self._prefetch_factor * self._num_workers, _MAX_IN_FLIGHT)
        engine = self._engine = self._open(self._num_workers, depth)
        self._is_default_collate = job.is_default_collate and self._auto_collation
        self._verified: dict[int, Any] = {}  # stream: state after its last batch handed out
        self._collates = job.collates(self._collate_fn, self._num_workers)
        for w in range(self._num_workers):
            state = job.worker_states[w] if job.worker_states else None
            seat = rng.Seat(self._base_seed, w, self._num_workers, self._fetcher.dataset)
            if state is not None:
                seat.torch_blob, seat.python, seat.numpy = state
            self._seats.append(seat)
            engine.set_stream(w, rng.from_torch(seat.torch_blob))
            self._verified[w] = rng.from_torch(seat.torch_blob)
        self._reset(loader, first_iter=True)

    def _reset(self, loader: Any, first_iter: bool = False) -> None:
        super()._reset(loader, first_iter)
        engine = self._engine
        if not first_iter and engine is not None:
            self._drain(engine)
        self._cycle = itertools.cycle(range(self._num_workers))
        for _ in range(self._prefetch_factor * self._num_workers):
            self._try_put_index()

    def _drain(self, engine: Engine) -> None:
        """An epoch that the script left early: its batches ahead are drawn but not handed out."""
        while engine.queue:
            entry = engine.queue[0]
            engine.wait(entry, 0)
            if entry.state == REPLAY:
                self._replay(entry, engine)
                continue
            after = self._verified[entry.stream] = engine.states_of(entry)[1]
            samples = self._finish(entry, engine)
            if samples is not None and not self._is_default_collate:
                self._collate_as_worker(entry, samples, engine, after)

    def _try_put_index(self) -> None:
        try:
            index = self._next_index()
        except StopIteration:
            if self._engine is not None:
                self._engine.pump()
            return
        assert self._engine is not None
        self._engine.push(index, next(self._cycle), self._auto_collation)

    def _next_data(self) -> Any:
        engine = self._engine
        if engine is None or not engine.queue:
            if not self._persistent_workers:
                self._shutdown()
            raise StopIteration
        entry = engine.queue[0]
        try:
            engine.wait(entry, self._timeout)
        except TimedOut:
            raise RuntimeError(f"DataLoader timed out after {self._timeout} seconds") from None
        serve = self._replay if entry.state == REPLAY else self._serve
        data = serve(entry, engine)
        self._try_put_index()
        if isinstance(data, batches.ExceptionWrapper):
            data.reraise()
        if data is batches.NOTHING:
            return self._next_data()
        if self._pin_memory and not batches.is_pinned(data):
            data = _utils.pin_memory.pin_memory(data, self._pin_memory_device)
        return data

    def _serve(self, entry: Entry, engine: Engine) -> Any:
        """The head of the queue, made by the library, as a worker would have sent it."""
        must_verify = self._must_verify()
        states = engine.states_of(entry)
        if must_verify:
            return self._serve_verified(entry, engine, *states)
        samples = self._finish(entry, engine)
        if samples is None:
            return batches.NOTHING
        if self._is_default_collate:
            return self._form.collate(samples, self._collate_fn)
        return self._collate_as_worker(entry, samples, engine, states[1])

    def _serve_verified(self, entry: Entry, engine: Engine, before: Any, after: Any) -> Any:
        seat = self._seats[entry.stream]
        state = rng.copy(before)
        with seat.borrowed(state):
            wanted = batches.replay_samples(
                self._fetcher.dataset, entry.index, self._auto_collation
            )
        samples = self._form.samples(entry, self._job.records)
        number = self._n_batches - 1
        if entry.holes or self._form.verify(samples, wanted, number, state, after):
            samples = self._finish(entry, engine)
            self._verified[entry.stream] = after
        else:
            engine.pop(entry)
            samples = self._form.from_stock(wanted)
            self._verified[entry.stream] = state
            engine.replay_everything(self._verified)
        if samples is None:
            return batches.NOTHING
        if self._is_default_collate:
            return self._form.collate(samples, self._collate_fn)
        return self._collate_as_worker(entry, samples, engine, after)

    def _collate_as_worker(self, entry: Entry, samples: Any, engine: Engine, after: Any) -> Any:
        """The script's collate function with the worker's generators in place."""
        seat = self._seats[entry.stream]
        state = rng.copy(after)
        try:
            with seat.taken(state):
                data = self._form.collate(samples, self._collates[entry.stream])
        except Exception:
            data = batches.wrap_exception(entry.stream)
        if not rng.same(after, state):  # it draws: from now on nothing may be drawn ahead of it
            engine.serial_streams = True
            engine.take_back(entry.stream)
            engine.set_stream(entry.stream, state)
            self._verified[entry.stream] = rng.copy(state)
        engine.pump()
        return batches.shared(data) if self._form.is_shared else data

    def _replay(self, entry: Entry, engine: Engine) -> Any:
        """The script's own fetch as this batch's worker; errors come back wrapped."""
        engine.pop(entry)
        state = engine.get_stream(entry.stream)
        fetcher, index = self._fetcher, entry.index
        fetcher.collate_fn = self._collates[entry.stream]
        try:
            with self._seats[entry.stream].taken(state):
                data = fetcher.fetch(index)
        except Exception:
            data = batches.wrap_exception(entry.stream)
        engine.set_stream(entry.stream, state)
        self._verified[entry.stream] = rng.copy(state)
        engine.pump()
        return batches.shared(data) if self._form.is_shared else data
