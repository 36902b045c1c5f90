"""Batches of one iterator in flight in the library.

Key idea: a queue of entries in the order in which they will be handed out. Each belongs to a stream
(a virtual worker). Entries are submitted as far as the library takes them; a record that the
library cannot make is decoded by the dataset's own loader; a batch that cannot be made like that (a
damaged file, an index that only the dataset understands) becomes a replay: at its turn the caller
runs the script's own fetch with the stream's random state, and the stream goes on from there.

Invariants: entries of a stream are submitted in order; none after a replay that has not run.
Not here: what a batch looks like to the script (iterate.py), torch's bookkeeping.
"""

from __future__ import annotations

import array
import ctypes as C
import os
import time
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from . import _lib, datasets, report
from .plan import Plan

_WAIT_MS = 100
WAITING, SUBMITTED, REPLAY = range(3)


class TimedOut(Exception):
    """The batch was not complete at the deadline; it still comes."""


@dataclass
class Entry:
    """One batch."""

    index: Any  # as the sampler gave it
    stream: int
    records: list[int]
    state: int = WAITING
    out: Any = None  # memory.Room
    batch: int | None = None
    holes: list[int] = field(default_factory=list)  # positions left out by the error policy


class Engine:
    """The library's loader, its queue and its answers to needs. One thread."""

    def __init__(
        self,
        plan: Plan,
        source: _lib.Handle,
        records: datasets.Records,
        entry: report.Loader,
        on_error: str,
        n_streams: int,
        depth: int,
        max_records: int,
        allocate: Any,
    ) -> None:
        self.plan, self.records, self.report = plan, records, entry
        self.on_error, self.allocate, self.max_records = on_error, allocate, max_records
        self._source = source  # must outlive the loader
        self._is_replaying = False
        self._pid = os.getpid()
        self.queue: deque[Entry] = deque()
        self.serial_streams = False  # script code between batches draws: no batch ahead in a stream
        cfg = _lib.config(
            _lib.LoaderCfg,
            n_streams=n_streams,
            max_batches=depth,
            max_batch_records=max_records,
        )
        out = C.c_void_p()
        status = _lib.lib().dlop_loader_open(
            plan.handle.address, source.address, C.byref(cfg), C.byref(out)
        )
        _lib.check(status, "cannot open a loader")
        self.handle = _lib.Handle(out.value, "dlop_loader_close")

    def close(self) -> None:
        """Cancel what is in flight; entries' memory may go afterwards."""
        self.handle.close()
        self.queue.clear()

    # ---- streams ----

    def set_stream(self, stream: int, state: _lib.RngState) -> None:
        status = _lib.lib().dlop_loader_set_stream(self.handle.address, stream, C.byref(state))
        _lib.check(status, "cannot set a stream")

    def get_stream(self, stream: int) -> _lib.RngState:
        state = _lib.RngState()
        status = _lib.lib().dlop_loader_get_stream(self.handle.address, stream, C.byref(state))
        _lib.check(status, "cannot get a stream")
        return state

    def states_of(self, entry: Entry) -> tuple[_lib.RngState, _lib.RngState]:
        """Of the entry's stream, before and after it."""
        before, after = _lib.RngState(), _lib.RngState()
        status = _lib.lib().dlop_batch_get_stream(
            self.handle.address, entry.batch, C.byref(before), C.byref(after)
        )
        _lib.check(status, "cannot get the states of a batch")
        return before, after

    # ---- queue ----

    def push(self, index: Any, stream: int, is_list: bool) -> Entry:
        """Append a batch and submit what can be submitted."""
        entry = Entry(index, stream, [])
        try:
            entry.records = self.records.resolve_all(index if is_list else [index])
        except Exception:  # the dataset's own answer to this index will be asked for
            entry.state = REPLAY
        if self._is_replaying or not 0 < len(entry.records) <= self.max_records:
            entry.state = REPLAY
        self.queue.append(entry)
        self.pump()
        return entry

    def pump(self) -> None:
        """Submit entries in order, none past a replay of its stream."""
        blocked: set[int] = set()
        for entry in self.queue:
            if entry.stream in blocked:
                continue
            if entry.state == REPLAY or self.serial_streams:
                blocked.add(entry.stream)
            if entry.state == WAITING and not self._submit(entry):
                return

    def _submit(self, entry: Entry) -> bool:
        n = len(entry.records)
        if entry.out is None:
            entry.out = self.allocate(n)
        indices = array.array("Q", entry.records)
        batch = C.c_void_p()
        status = _lib.lib().dlop_loader_submit(
            self.handle.address,
            entry.stream,
            indices.buffer_info()[0],
            n,
            entry.out.address,
            entry.out.n_bytes,
            C.byref(batch),
        )
        if status == _lib.AGAIN:
            return False
        _lib.check(status, "cannot submit a batch")
        entry.batch, entry.state = batch.value, SUBMITTED
        return True

    def release(self, entry: Entry) -> None:
        """Give the library's slot back; cancels what still runs."""
        if entry.batch is not None:
            holder = C.c_void_p(entry.batch)
            _lib.lib().dlop_batch_release(self.handle.address, C.byref(holder))
            entry.batch = None

    def pop(self, entry: Entry) -> None:
        """Remove the head of the queue."""
        self.release(entry)
        head = self.queue.popleft()
        assert head is entry

    def take_back(self, stream: int, after: Entry | None = None) -> None:
        """Undo the submits to this stream, all or those after an entry."""
        is_later = after is None
        for other in self.queue:
            if is_later and other.stream == stream and other.state == SUBMITTED:
                self.release(other)
                other.state = WAITING
                other.holes.clear()
            is_later = is_later or other is after

    def replay_everything(self, states: dict[int, _lib.RngState]) -> None:
        """From now on every batch is a replay; states: of all streams, before the queue."""
        self._is_replaying = True
        for stream, state in states.items():
            self.take_back(stream)
            self.set_stream(stream, state)
        for entry in self.queue:
            entry.state, entry.out = REPLAY, None

    # ---- waiting ----

    def wait(self, entry: Entry, timeout_s: float) -> None:
        """Until the head of the queue is complete, or is a replay. TimedOut after timeout_s > 0."""
        until = time.monotonic() + timeout_s if timeout_s > 0 else None
        need = _lib.Need()
        if os.getpid() != self._pid:
            raise RuntimeError("dlop: an iterator cannot be used in a forked process")
        while entry.state != REPLAY:
            if entry.state == WAITING:
                self.pump()
            status = _lib.lib().dlop_batch_wait(
                self.handle.address, entry.batch, _WAIT_MS, C.byref(need)
            )
            if status == _lib.OK:
                return
            if status == _lib.NEED_PIXELS:
                self._answer(need)
            elif status == _lib.ERR_STATE:  # cancelled: again
                self.release(entry)
                entry.state = WAITING
            else:
                _lib.check(status, "a batch failed")
            if until is not None and time.monotonic() >= until:
                raise TimedOut

    def _answer(self, need: _lib.Need) -> None:
        entry = next(e for e in self.queue if e.batch == need.batch)
        record, reason = int(need.index), need.reason.decode(errors="replace")
        base, number = self.records.base_of(record)
        if base.loader is None:
            self.to_replay(entry)
            return
        path = base.paths[number]
        try:
            pixels, height, width = decode_with(base, path)
        except Exception as error:
            self._unreadable(entry, need.position, path, error)
            return
        status = _lib.lib().dlop_batch_supply(
            self.handle.address, entry.batch, need.position, pixels, height, width
        )
        if status == _lib.OK:
            self.report.fallback(path, reason)
        else:  # a transform refuses the image: let it say so itself
            self.to_replay(entry)

    def _unreadable(self, entry: Entry, position: int, path: str, error: Exception) -> None:
        text = f"{type(error).__name__}: {error}"
        self.report.error(path, text, self.on_error)
        if self.on_error == "raise":
            self.to_replay(entry)
            return
        status = _lib.lib().dlop_batch_skip(self.handle.address, entry.batch, position)
        _lib.check(status, "cannot leave a record out")
        entry.holes.append(position)

    def to_replay(self, entry: Entry) -> None:
        """Let the script's own code make this batch at its turn."""
        self.take_back(entry.stream, entry)
        if entry.batch is not None:
            status = _lib.lib().dlop_batch_fail(self.handle.address, entry.batch, 0)
            _lib.check(status, "cannot give a batch up")
        self.release(entry)
        entry.state, entry.out = REPLAY, None
        entry.holes.clear()


def decode_with(base: datasets.Base, path: str) -> tuple[Any, int, int]:
    """Pixels [height][width][channels] by the dataset's own loader; raises what it raises."""
    image = base.loader(path)
    if base.mode == "tensor":
        channels, height, width = image.shape
        if channels != 3:
            raise TypeError(f"{channels} channels")
        pixels = image.permute(1, 2, 0).contiguous()
        return bytes(pixels.numpy()), height, width
    width, height = image.size
    return image.tobytes(), height, width
