"""The patch of DataLoader._get_iterator, and the choice of a tier for each loader.

Key idea: the class, its name and its attributes stay; one method asks here first. Tier A: the whole
fetch is ours. Tier B: the script's own dataset code in its own workers, with known leaf operations
swapped. Tier C: untouched. Choosing draws no random number and never raises; once chosen, errors of
the script's own sampler or dataset pass through as they would without us.
"""

from __future__ import annotations

import atexit
import functools
import os
import sys
import weakref
from typing import Any

from . import _lib, job, probe, report, rng, stock
from .transforms import Unmapped, describe

_broken: weakref.WeakKeyDictionary[Any, str] = weakref.WeakKeyDictionary()
_accelerated: weakref.WeakSet[Any] = weakref.WeakSet()
_KNOWN_ARGUMENTS = {
    "dataset",
    "batch_size",
    "shuffle",
    "sampler",
    "batch_sampler",
    "num_workers",
    "collate_fn",
    "pin_memory",
    "drop_last",
    "timeout",
    "worker_init_fn",
    "multiprocessing_context",
    "generator",
    "prefetch_factor",
    "persistent_workers",
    "pin_memory_device",
    "in_order",
}


def patch_torch(module: Any) -> None:
    """Attach to torch.utils.data.dataloader, just executed."""
    cls = module.DataLoader
    stock_method = cls._get_iterator
    if getattr(stock_method, "_is_dlop", False):
        return

    @functools.wraps(stock_method)
    def _get_iterator(self: Any) -> Any:
        return _iterator(self, module, functools.partial(stock_method, self))

    _get_iterator._is_dlop = True  # type: ignore[attr-defined]
    cls._get_iterator = _get_iterator


def patch_torchdata(module: Any) -> None:
    """torchdata's loader keeps its own snapshots of worker states: say that it is left alone."""
    cls = module.StatefulDataLoader
    stock_method = cls._get_iterator

    @functools.wraps(stock_method)
    def _get_iterator(self: Any) -> Any:
        name = type(self.dataset).__name__
        report.of(self, name, _length(self.dataset)).say("C", "torchdata's StatefulDataLoader")
        return stock_method(self)

    cls._get_iterator = _get_iterator


def accelerate(loader: Any) -> Any:
    """Attach one loader by hand; returns it."""
    import torch.utils.data.dataloader as module

    if not isinstance(loader, module.DataLoader):
        raise TypeError(f"a torch DataLoader is needed, not {type(loader).__name__}")
    if getattr(type(loader)._get_iterator, "_is_dlop", False) or loader in _accelerated:
        return loader
    stock_method = loader._get_iterator
    loader._get_iterator = lambda: _iterator(loader, module, stock_method)
    _accelerated.add(loader)
    return loader


def _iterator(loader: Any, module: Any, stock_iterator: Any) -> Any:
    """The iterator of the highest tier that this loader allows."""
    try:
        with rng.one_thread():
            make = _choose(loader, module, stock_iterator)
    except Exception as error:  # a fault of ours must not be the script's
        make = stock_iterator
        text = f"internal error while attaching: {type(error).__name__}: {error}"
        _entry(loader).say("C", text)
        if os.environ.get("DLOP_DEBUG"):
            raise
    return make()


def _entry(loader: Any) -> report.Loader:
    return report.of(loader, type(loader.dataset).__name__, _length(loader.dataset))


def _length(dataset: Any) -> int | None:
    try:
        return len(dataset)
    except Exception:
        return None


def _choose(loader: Any, module: Any, stock_iterator: Any) -> Any:
    """A function without arguments that makes the iterator."""
    reason = _never(loader, module)
    if reason is not None:
        _entry(loader).say("C", reason)
        return stock_iterator
    try:
        return _tier_a(loader, module)
    except _lib.OptionError as error:
        _entry(loader).say("C", str(error))
        return stock_iterator
    except job.OBSTACLES as obstacle:
        return _lower_tier(loader, obstacle, stock_iterator)


def _never(loader: Any, module: Any) -> str | None:
    """Why neither tier A nor tier B may touch this loader, or None."""
    if loader in _broken:
        return _broken[loader]
    if loader._dataset_kind != module._DatasetKind.Map:
        return "iterable dataset"
    dataset = loader.dataset
    if isinstance(dataset, getattr(module, "MapDataPipe", ())):
        return "data pipe"
    if getattr(loader, "worker_method", "multiprocessing") != "multiprocessing":
        return f"worker method {loader.worker_method}"
    import inspect

    unknown = set(inspect.signature(module.DataLoader.__init__).parameters)
    unknown -= _KNOWN_ARGUMENTS | {"self"}
    if unknown:
        return f"a DataLoader with unknown arguments: {', '.join(sorted(unknown))}"
    return None


def _is_misused(loader: Any) -> bool:
    """Settings for which torch's own iterator raises: let it."""
    if loader.num_workers == 0:
        return loader.timeout != 0
    return not loader.prefetch_factor or loader.prefetch_factor <= 0


def _tier_a(loader: Any, module: Any) -> Any:
    if _is_misused(loader):
        raise Unmapped("settings that torch refuses")
    _check_loader(loader, module)
    entry = report.of
    made = job.prepare(loader, lambda records: entry(loader, records.name, records.n))
    made.broken = functools.partial(_remember_broken, loader)
    made.source()
    if loader.num_workers > 0:
        made.worker_states = _worker_states(loader)
    from . import iterate

    _register_exit(iterate.close_all)
    threads = _lib.lib().dlop_ctx_n_units(_lib.context().address)
    device = _lib.lib().dlop_ctx_device(_lib.context().address).decode()
    made.entry.say("A", "", device, threads)
    if loader.num_workers == 0:
        return lambda: iterate.NoWorkersIter(loader, made)

    def with_workers() -> Any:
        loader.check_worker_number_rationality()
        return iterate.WorkersIter(loader, made)

    return with_workers


def _remember_broken(loader: Any, reason: str) -> None:
    _broken[loader] = reason


@functools.lru_cache(maxsize=1)
def _register_exit(function: Any) -> None:
    atexit.register(function)


def _check_loader(loader: Any, module: Any) -> None:
    """The parts of torch around the fetch are torch's own."""
    base = module._BaseDataLoaderIter
    for cls in (base, module._SingleProcessDataLoaderIter, module._MultiProcessingDataLoaderIter):
        stock.check_class(cls)
    stock.check_modules(("torch.utils.data._utils.worker", "torch.utils.data._utils.fetch"))
    stock.check_class(sys.modules["torch.utils.data._utils.fetch"]._MapDatasetFetcher)


def _worker_states(loader: Any) -> Any:
    """Random states after the script's worker_init_fn; the base seed is looked at, not taken."""
    if loader.worker_init_fn is None:
        return None
    import torch

    from . import workers

    generator = loader.generator if loader.generator is not None else torch.default_generator
    state = generator.get_state()
    try:
        seed = torch.empty((), dtype=torch.int64).random_(generator=loader.generator).item()
    finally:
        generator.set_state(state)
    return workers.states_after_init(loader, int(seed))


def _lower_tier(loader: Any, obstacle: Exception, stock_iterator: Any) -> Any:
    """Tier B where our kernels work in this process at all, else tier C."""
    entry = _entry(loader)
    try:
        if isinstance(obstacle, _lib.LibraryError):
            raise obstacle
        from . import leaf

        leaf.check(loader)
    except job.OBSTACLES as second:
        reason = str(obstacle) if second is obstacle else f"{obstacle}; {second}"
        entry.say("C", reason)
        return stock_iterator
    where = f"{loader.num_workers} workers" if loader.num_workers else "this process"
    entry.say("B", f"{obstacle}; JPEG decoding and known transforms in {where} are ours")
    return lambda: leaf.make_iterator(loader, stock_iterator)


__all__ = ["accelerate", "describe", "patch_torch", "patch_torchdata", "probe"]
