"""`dlop bench train`: an epoch with a stand-in device step, with and without DLOP.

Key idea: after each batch the main thread sleeps, as a script does that waits for its GPU; the
cores stay with whoever loads. A step that kept a core busy would be no GPU and would only take time
from both contestants. Three things are timed, each in a process of its own: the steps alone, the
loader alone, and both together. The best possible epoch takes as long as the slower of the first
two; what it takes longer is the gap.
"""

from __future__ import annotations

import argparse
import gc
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import bench_common, bench_loader, bench_pipelines, bench_plot, bench_script

SCHEMA = "dlop.bench.train/1"
_NAMES = ("torch", "dlop")
_EPILOG = """Examples:
  dlop bench train --data photos/train --step-ms 20 --cores 2
  dlop bench train -- python train.py --epochs 3

The second form runs a script of your own as written and under dlop run, and has options of its
own: dlop bench train --help --

epoch    seconds of an epoch, loading and steps together
bound    the larger of: the steps alone, the loader alone; no loader can be below
gap      what the epoch takes longer than its bound, in percent
The step is a sleep: a GPU at work, which leaves the cores to loading. Exit status 1 where DLOP's
batches differ from the DataLoader's.
"""


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dlop bench train",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures an epoch of the script's own DataLoader and of DLOP with a stand-in\n"
        f"device step after each batch. Result: schema {SCHEMA}.",
        epilog=_EPILOG,
    )
    bench_loader.add_options(parser)
    parser.add_argument("--step-ms", type=float, help="milliseconds of a step, for each batch")
    options = parser.parse_args(arguments)
    bench_loader.check_options(parser, options)
    if options.step_ms is None or not 0 <= options.step_ms <= 60000:
        parser.error("--step-ms: 0 to 60000 milliseconds")
    return options


def epoch_s(
    batches: Callable[[], Iterator[Any]], step_s: float, least_s: float = 0.0
) -> dict[str, float]:
    """Seconds of one epoch with a step after each batch, after one batch of warming up: the mean
    of whole epochs that last at least least_s together."""
    warm = batches()
    next(warm)
    del warm
    gc.collect()
    cpu, begin, seconds, n = bench_common.cpu_s(), time.perf_counter(), 0.0, 0
    while not n or seconds < least_s:
        for _ in batches():
            if step_s:
                time.sleep(step_s)
        seconds, n = time.perf_counter() - begin, n + 1
    return {"epoch_s": seconds / n, "cpu_s": (bench_common.cpu_s() - cpu) / n}


def _measure(dataset: Any, options: argparse.Namespace, is_dlop: bool, step_s: float) -> Any:
    import torch

    torch.set_num_threads(options.cores)
    torch.manual_seed(1)
    loader = bench_pipelines.open_loader(dataset, options, is_dlop)
    return epoch_s(lambda: (images for images, _ in loader), step_s, options.seconds)


def _measure_round(dataset: Any, options: Any, is_dlop: bool, cores: list[int]) -> dict[str, float]:
    """Steps alone, loader alone, both: one after the other, so that they meet the same machine."""
    n_batches, step_s = -(-len(dataset) // options.batch_size), options.step_ms / 1e3
    idle = lambda: epoch_s(lambda: iter(range(n_batches)), step_s, options.seconds)  # noqa: E731
    steps = bench_common.in_child(idle, cores)
    alone = bench_common.in_child(lambda: _measure(dataset, options, is_dlop, 0.0), cores)
    both = bench_common.in_child(lambda: _measure(dataset, options, is_dlop, step_s), cores)
    return {"step_s": steps["epoch_s"], "loader_s": alone["epoch_s"], **both}


def row(name: str, rounds: list[dict[str, float]]) -> dict[str, Any]:
    """Medians and quartiles of rounds with step_s, loader_s, epoch_s and cpu_s."""
    for one in rounds:
        one["bound_s"] = max(one["step_s"], one["loader_s"])
        one["gap_percent"] = (one["epoch_s"] / one["bound_s"] - 1) * 100
    made = bench_common.medians(rounds)
    limit = "step" if made["step_s"] >= made["loader_s"] else "loader"
    return {"name": name, "limit": limit, **made, "spread": bench_common.spread(rounds)}


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Measure; the result has the form of SCHEMA."""
    cores = bench_common.pinned_cores(options.cores)
    dataset = bench_pipelines.open_dataset(options)
    is_equal = bench_loader.check_equal(options, len(dataset), cores)
    n_batches = -(-len(dataset) // options.batch_size)
    rounds: dict[str, list[dict[str, float]]] = {name: [] for name in _NAMES}
    sequence = bench_common.order(_NAMES, options.rounds)
    progress = bench_common.Progress(len(sequence))
    for name in sequence:
        taken = _measure_round(dataset, options, name == "dlop", cores)
        rounds[name].append(taken)
        progress.step(f"{name} {taken['epoch_s']:.2f} s")
    progress.close()
    rows = {name: row(name, rounds[name]) for name in _NAMES}
    return {
        "schema": SCHEMA,
        "data": {"images": len(dataset), "batches": n_batches, "batch_size": options.batch_size},
        "cores": options.cores,
        "rounds": options.rounds,
        "step_ms": options.step_ms,
        "repeat": options.repeat,
        "pipeline": options.pipeline,
        "contestants": list(rows.values()),
        "ratio": {key: _ratio(sequence, rounds, key) for key in ("epoch_s", "cpu_s")},
        "equal": is_equal,
        "machine": bench_common.machine(("torch", "torchvision", "pillow")),
    }


def _ratio(sequence: list[str], rounds: dict[str, list[Any]], key: str) -> float:
    """How many times as long the reference takes."""
    left = {name: iter(taken) for name, taken in rounds.items()}
    runs = [next(left[name]) for name in sequence]
    return 1 / statistics.median(bench_common.ratios(sequence, runs, "dlop", key))


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    data, ratio = result["data"], result["ratio"]
    print(
        f"{data['batches']} batches of {data['batch_size']}, a step of {result['step_ms']:g} ms "
        f"after each, {result['cores']} core(s)"
    )
    print(f"{'':8}{'steps':>9}{'loader':>9}{'bound':>9}{'epoch':>9}{'gap':>9}{'CPU':>9}")
    for one in result["contestants"]:
        seconds = [one[key] for key in ("step_s", "loader_s", "bound_s", "epoch_s")]
        print(
            f"{one['name']:8}"
            + "".join(f"{value:7.2f} s" for value in seconds)
            + f"{one['gap_percent']:7.1f} %{one['cpu_s']:7.2f} s"
        )
    print(f"the epoch is {ratio['epoch_s']:.2f} times as fast (CPU: {ratio['cpu_s']:.2f})")
    print(f"batches equal: {'yes' if result['equal'] else 'NO'}")


def _plot(path: str, result: dict[str, Any]) -> None:
    bars = []
    for one in result["contestants"]:
        for key, text in (("epoch_s", "epoch"), ("bound_s", "bound")):
            bars.append(bench_plot.Bar(f"{one['name']} {text}", one[key], *one["spread"][key]))
    title = f"An epoch with a step of {result['step_ms']:g} ms, {result['cores']} core(s)"
    bench_plot.write(path, title, "s", bars)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done and equal, 1 not, 2 wrong usage (from argparse), 130 interrupted."""
    arguments = sys.argv[1:] if arguments is None else arguments
    if "--" in arguments:
        return bench_script.main(arguments)
    options = _options(arguments)
    bench_loader.name_device(options)
    command = bench_common.Command(bench, show, _plot, lambda result: result["equal"])
    return bench_common.run_main(command, options)


if __name__ == "__main__":
    sys.exit(main())
