"""Random states between torch, the library and Python's own generators.

Key idea: torch's CPU state is a blob of 5056 bytes of which the library owns the engine's fields; a
stream of a virtual worker is such a state that was never torch's. A Seat is what a worker process
has besides: Python's and NumPy's generators and its WorkerInfo, put in place around script code.
"""

from __future__ import annotations

import contextlib
import ctypes as C
import random
import sys
from collections.abc import Iterator
from typing import Any

from . import _lib


def seeded(seed: int) -> _lib.RngState:
    """State after torch.manual_seed(seed)."""
    state = _lib.RngState()
    _lib.lib().dlop_rng_seed(C.byref(state), seed & 0xFFFFFFFFFFFFFFFF)
    return state


def from_torch(blob: Any) -> _lib.RngState:
    """The engine of a state as torch.get_rng_state() gives it."""
    state = _lib.RngState()
    status = _lib.lib().dlop_rng_from_torch(blob.data_ptr(), blob.numel(), C.byref(state))
    _lib.check(status, "torch's random state has an unknown form")
    return state


def into_torch(state: _lib.RngState, blob: Any) -> Any:
    """Put the engine into the blob (changed in place and returned)."""
    status = _lib.lib().dlop_rng_to_torch(C.byref(state), blob.data_ptr(), blob.numel())
    _lib.check(status, "torch's random state has an unknown form")
    return blob


def same(a: _lib.RngState, b: _lib.RngState) -> bool:
    """Equal future draws. A used-up block and a fresh one at its start are told apart."""
    return bytes(a) == bytes(b)


def copy(state: _lib.RngState) -> _lib.RngState:
    """Another state with the same future."""
    return _lib.RngState.from_buffer_copy(state)


def numpy_seed(base_seed: int, worker: int) -> list[int]:
    """The words that torch's worker loop gives numpy.random.seed, from torch's own function."""
    from torch.utils.data._utils import worker as stock_worker

    return stock_worker._generate_state(base_seed, worker)


@contextlib.contextmanager
def one_thread() -> Iterator[None]:
    """Torch operations on the calling thread only, as in a worker. Besides equal sums, this keeps
    the OpenMP pool from being started here: a child forked later could not use torch then."""
    import torch

    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(n_threads)


class Seat:
    """The random generators and the identity of one virtual worker, for script code only."""

    def __init__(self, base_seed: int, worker: int, n_workers: int, dataset: Any) -> None:
        import torch
        from torch.utils.data._utils import worker as stock_worker

        self.worker = worker
        fields = {"id": worker, "num_workers": n_workers, "seed": base_seed + worker}
        self.info = stock_worker.WorkerInfo(dataset=dataset, **fields)
        generator = torch.Generator()
        generator.manual_seed(base_seed + worker)
        self.torch_blob = generator.get_state()
        self.python = random.Random(base_seed + worker).getstate()
        self.numpy: Any = None
        if "numpy" in sys.modules:
            import numpy

            words = numpy_seed(base_seed, worker)
            self.numpy = numpy.random.RandomState(words).get_state()

    @contextlib.contextmanager
    def borrowed(self, state: _lib.RngState) -> Iterator[None]:
        """As taken, but the worker's other generators are afterwards as they were."""
        kept = (self.torch_blob.clone(), self.python, self.numpy)
        try:
            with self.taken(state):
                yield
        finally:
            self.torch_blob, self.python, self.numpy = kept

    @contextlib.contextmanager
    def taken(self, state: _lib.RngState) -> Iterator[None]:
        """Run script code as this worker; `state` is its stream and is advanced in place."""
        import torch
        from torch.utils.data._utils import worker as stock_worker

        numpy = sys.modules.get("numpy") if self.numpy is not None else None
        before = (torch.get_rng_state(), random.getstate(), stock_worker._worker_info)
        numpy_before = numpy.random.get_state() if numpy else None
        torch.set_rng_state(into_torch(state, self.torch_blob))
        random.setstate(self.python)
        stock_worker._worker_info = self.info
        if numpy:
            numpy.random.set_state(self.numpy)
        try:
            with one_thread():
                yield
        finally:
            self.torch_blob = torch.get_rng_state()
            self.python = random.getstate()
            C.memmove(C.byref(state), C.byref(from_torch(self.torch_blob)), C.sizeof(state))
            if numpy:
                self.numpy = numpy.random.get_state()
                numpy.random.set_state(numpy_before)
            torch.set_rng_state(before[0])
            random.setstate(before[1])
            stock_worker._worker_info = before[2]
