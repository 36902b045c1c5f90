"""Tier B: the script's own dataset code in its own workers, with leaf operations swapped.

Key idea: torch makes its own iterator; around it, inside the worker processes (or around each fetch
where there are none), decoding of JPEG files and calls of fully known Compose objects go through
the kernels (swap.py). Each swap hands back to the framework's own code whatever it does not take,
before anything was drawn or changed, so that errors stay the framework's.
"""

from __future__ import annotations

import sys
from typing import Any

from . import datasets, probe, stock, swap
from .transforms import Unmapped, describe

_WITHOUT_IMAGES = ("TensorDataset", "StackDataset", "FakeData")


class WorkerInit:
    """Runs first in each worker: installs the swaps there, then calls the script's own function."""

    def __init__(self, script_init: Any) -> None:
        self.script_init = script_init

    def __call__(self, worker: int) -> None:
        try:
            swap.install()
        except Exception as error:  # the script's own path still works
            sys.stderr.write(f"dlop: worker {worker}: not attached: {error}\n")
        if self.script_init is not None:
            self.script_init(worker)


class Fetcher:
    """torch's fetcher with the swaps installed while it runs."""

    def __init__(self, fetcher: Any) -> None:
        self._fetcher = fetcher

    def __getattr__(self, name: str) -> Any:
        return getattr(self._fetcher, name)

    def fetch(self, index: Any) -> Any:
        swap.install()
        try:
            return self._fetcher.fetch(index)
        finally:
            swap.remove()


def check(loader: Any) -> None:
    """Raise one of job.OBSTACLES where tier B is not possible or would not help."""
    module = type(loader.dataset).__module__
    if type(loader.dataset).__name__ in _WITHOUT_IMAGES and module.startswith("torch"):
        raise Unmapped(f"{describe(type(loader.dataset))} decodes no files")
    if isinstance(loader.worker_init_fn, WorkerInit):
        raise Unmapped("an iterator is being made from an iterator")
    try:
        import PIL.JpegImagePlugin  # noqa: F401  known to Pillow's users only
    except ImportError as error:
        raise Unmapped("Pillow is not installed") from error
    datasets.check_pillow()
    stock.check_class(sys.modules["torch.utils.data._utils.fetch"]._MapDatasetFetcher)
    probe.jpeg()


def make_iterator(loader: Any, stock_iterator: Any) -> Any:
    """torch's own iterator with the swaps around the fetches."""
    if loader.num_workers == 0:
        iterator = stock_iterator()
        iterator._dataset_fetcher = Fetcher(iterator._dataset_fetcher)
        return iterator
    script_init = loader.worker_init_fn
    loader.worker_init_fn = WorkerInit(script_init)
    try:
        return stock_iterator()
    finally:
        loader.worker_init_fn = script_init
