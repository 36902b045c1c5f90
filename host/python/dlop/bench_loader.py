"""`dlop bench loader`: the script's own DataLoader, DLOP and other loaders, interleaved.

Key idea: one parent imports torch and builds the dataset, each measurement is a fork of it, pinned
to the same cores, so that all contestants start alike; how they are ordered and compared is in
`bench_common.py`, what peers need in `bench_peers.py`.
"""

from __future__ import annotations

import argparse
import gc
import hashlib
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from . import bench_common, bench_library, bench_peers, bench_pipelines, bench_plot, report

SCHEMA = "dlop.bench.loader/1"
_N_EQUAL = 256
_N_MEMORY_BATCHES = 4


_EPILOG = """Examples:
  dlop bench loader --data photos/train --cores 2
  dlop bench loader --peers list
  dlop bench loader --data photos/train --peers dali,spdl --plot loaders.svg
  dlop bench loader --data photos/train --cores 1 --variant cores=2

A variant (--variant may be given several times) is DLOP with one option changed: how it grows with
cores, another device. output=u8-nhwc (or f32-nchw, f32-nhwc, u8-nchw) is the C library without
torch's protocol around it, in a form that a script cannot ask for without a copy.

A peer is another loader, measured where it is installed, in its honest best settings; its draws
and pixels are its own, and the table says by how much whole pictures differ. A name with a dot is
a module of your own (see dlop/peers/__init__.py). Exit status 1 where DLOP's batches differ from
the DataLoader's; a peer that fails only loses its row.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """The options of every measurement of loaders."""
    parser.add_argument("--data", metavar="DIR", help="folder with one folder per class")
    parser.add_argument("--cores", type=int, default=1, help="cores of the process tree (1)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--limit", type=int, default=0, help="N images only, spread over all")
    parser.add_argument("--repeat", type=int, default=1, help="an epoch has the data N times (1)")
    parser.add_argument(
        *("--seconds",),
        type=float,
        default=2.0,
        metavar="S",
        help="repeat epochs until a measurement has lasted S seconds (2)",
    )
    parser.add_argument("--batch-size", type=int, default=32, help="images of a batch (32)")
    parser.add_argument(
        *("--pipeline",),
        choices=tuple(bench_pipelines.PIPELINES),
        default="v1",
        help="what the script does (v1); cifar takes a folder in CIFAR-10's form",
    )
    parser.add_argument("--device", help="devices, as for dlop run (DLOP_DEVICE, or auto)")
    parser.add_argument("--json", metavar="FILE", help="write the result; - is standard output")
    parser.add_argument("--plot", metavar="FILE", help="draw the result: .svg or .png")


def check_options(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with wrong usage where a value of add_options cannot be."""
    available = len(os.sched_getaffinity(0))
    if not options.data:
        parser.error("--data: which photographs?")
    if not 1 <= options.cores <= available:
        parser.error(f"--cores: {available} cores are available")
    least = min(options.rounds, options.batch_size, options.repeat)
    if least < 1 or options.limit < 0 or options.repeat > 1000:
        parser.error("--rounds, --limit, --batch-size, --repeat: out of range")
    if not 0 <= options.seconds <= 600:
        parser.error("--seconds: 0 to 600")
    bench_plot.check_name(parser, options.plot)


def name_device(options: argparse.Namespace) -> None:
    """--device, for every process started from now on."""
    if options.device:
        os.environ["DLOP_DEVICE"] = options.device


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dlop bench loader",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Measures the script's own DataLoader and DLOP, and other loaders if asked\n"
        f"to, interleaved at equal numbers of cores. Result: schema {SCHEMA}.",
        epilog=_EPILOG,
    )
    add_options(parser)
    parser.add_argument(
        "--variant",
        type=_variant,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="DLOP once more with another pipeline, cores, batch-size, device or output",
    )
    parser.add_argument(
        "--peers",
        type=lambda text: [name for name in text.split(",") if name],
        default=[],
        metavar="NAMES",
        help="other loaders as well: names with commas, all, or list to see them",
    )
    options = parser.parse_args(arguments)
    if options.peers != ["list"]:
        check_options(parser, options)
        bench_peers.check_names(parser, options.peers)
        _check_own(parser, options)
    return options


def _variant(text: str) -> tuple[str, Any]:
    """Name of an option as in its namespace, and its value."""
    name, _, value = text.partition("=")
    kinds = {"pipeline": str, "device": str, "cores": int, "batch-size": int, "output": str}
    if name not in kinds or not value:
        raise argparse.ArgumentTypeError(f"one of {', '.join(kinds)}, and a value: cores=2")
    if name == "pipeline" and value not in bench_pipelines.PIPELINES:
        raise argparse.ArgumentTypeError(f"no pipeline is called {value}")
    if name == "output" and value not in bench_library.OUTPUTS:
        raise argparse.ArgumentTypeError(f"output is one of {', '.join(bench_library.OUTPUTS)}")
    return name.replace("-", "_"), kinds[name](value)


def _check_own(parser: argparse.ArgumentParser, options: argparse.Namespace) -> None:
    """End with wrong usage where peers or variants do not go with the other options."""
    table, pipeline = bench_pipelines.PIPELINES, options.pipeline
    if options.peers and pipeline not in ("v1", "v2", "v2-tensor"):
        parser.error(f"--peers: they have nothing to compare with --pipeline {pipeline}")
    for other in _own(options).values():
        check_options(parser, other)
        if (table[other.pipeline].dataset == "cifar") != (table[pipeline].dataset == "cifar"):
            parser.error("--variant pipeline: the data are of another kind")
        if hasattr(other, "output") and table[other.pipeline].dataset != "files":
            parser.error("--variant output: for pipelines of files that Pillow decodes")


def _own(options: argparse.Namespace) -> dict[str, argparse.Namespace]:
    """DLOP and its variants by the names of their rows, with their options."""
    made = {"dlop": options}
    for name, value in options.variant:
        changed = argparse.Namespace(**{**vars(options), name: value})
        made[f"dlop {name.replace('_', '-')}={value}"] = changed
    return made


def measure(batches: Any, options: argparse.Namespace) -> dict[str, float]:
    """Whole epochs in this process until they have lasted --seconds, after one batch of warming
    up: what an epoch costs once counts alike for fast and slow contestants. batches: a DataLoader,
    or a function that returns an iterator over an epoch."""
    import torch

    torch.set_num_threads(options.cores)
    torch.manual_seed(1)
    epoch = batches if callable(batches) else lambda: (images for images, _ in batches)
    warm = epoch()
    next(warm)
    del warm
    gc.collect()  # nobody pays for what others left
    cpu_before, begin = bench_common.cpu_s(), time.perf_counter()
    first, wall, n, n_epochs = 0.0, 0.0, 0, 0
    while not n_epochs or wall < options.seconds:
        for images in epoch():
            first = first or time.perf_counter() - begin
            n += len(images)
        wall, n_epochs = time.perf_counter() - begin, n_epochs + 1
    cpu = bench_common.cpu_s() - cpu_before
    return {
        "images_per_s": n / wall,
        "cpu_s_per_1000": cpu / n * 1000,
        "first_batch_s": first,
        "rss_peak_bytes": _peak_bytes(epoch),
        "epochs": n_epochs,
    }


def _peak_bytes(epoch: Callable[[], Iterator[Any]]) -> int:
    """Memory of the process tree while some more batches are made, or this process's peak."""
    peak, batches = 0, epoch()
    for _ in range(_N_MEMORY_BATCHES):
        if next(batches, None) is None:
            break
        peak = max(peak, bench_common.rss_bytes())
    return max(peak, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)


def _digest(dataset: Any, options: argparse.Namespace, is_dlop: bool) -> list[str]:
    """Digest of all batches of one epoch, of their form, and of the random state after each."""
    import torch

    torch.manual_seed(7)
    digest = hashlib.sha256()
    tier = ""
    loader = bench_pipelines.open_loader(dataset, options, is_dlop)
    for images, targets in loader:
        form = (images.dtype, images.shape, images.stride(), targets.dtype, images.is_shared())
        digest.update(repr(form).encode())
        for values in (images, targets, torch.get_rng_state()):
            digest.update(memoryview(values.contiguous().view(torch.uint8).numpy()).cast("B"))
    if is_dlop:
        entry = report.of(loader, "", None)
        tier = f"{entry.tier}: {entry.reason}"
    return [digest.hexdigest(), tier]


def _contestant(name: str, options: Any, runs: list[dict[str, float]]) -> dict[str, Any]:
    device = (options.device or os.environ.get("DLOP_DEVICE", "auto")) if options else "cpu"
    medians = bench_common.medians(runs)
    medians["rss_peak_bytes"] = int(max(run["rss_peak_bytes"] for run in runs))
    medians["epochs"] = int(medians["epochs"])
    spread = bench_common.spread(runs)
    return {"name": name, "device": device, "cache": "off", **medians, "spread": spread}


def _ratio(sequence: list[str], runs: list[Any], name: str) -> dict[str, float]:
    """Images per s of this contestant in those of the reference, and the same for CPU time."""
    wall = statistics.median(bench_common.ratios(sequence, runs, name, "images_per_s"))
    cpu = statistics.median(bench_common.ratios(sequence, runs, name, "cpu_s_per_1000"))
    return {"wall": wall, "cpu": 1 / cpu}


def check_equal(options: argparse.Namespace, n: int, cores: list[int]) -> bool:
    """Whether both give the same bits on some of the photographs."""
    few = argparse.Namespace(**{**vars(options), "limit": min(n, _N_EQUAL), "repeat": 1})
    small = bench_pipelines.open_dataset(few)
    wanted = bench_common.in_child(lambda: _digest(small, few, False), cores)
    made = bench_common.in_child(lambda: _digest(small, few, True), cores)
    if made[1] != "A: ":
        raise RuntimeError(f"the loader got tier {made[1]}")
    return wanted[0] == made[0]


def _measure_own(options: Any, is_dlop: bool) -> dict[str, float]:
    """One run of the script's own loader or of DLOP. It opens the data anew, with its options."""

    def run() -> dict[str, float]:
        name_device(options)
        dataset = bench_pipelines.open_dataset(options)
        if hasattr(options, "output"):
            paths = [path for path, _ in bench_pipelines.samples_of(dataset)]
            transform = bench_pipelines.PIPELINES[options.pipeline].make()
            more = (options.output, options.batch_size)
            return measure(bench_library.Batches(paths, transform, *more), options)
        return measure(bench_pipelines.open_loader(dataset, options, is_dlop), options)

    return bench_common.in_child(run, bench_common.pinned_cores(options.cores))


def _rows(
    own: dict[str, Any], others: bench_peers.Peers, sequence: list[str], runs: list[Any]
) -> tuple[Any, Any]:
    """One row per contestant that did not fail, and DLOP's ratio to the reference."""
    made = [name for name in ("torch", *own, *others.names) if name not in others.failed]
    ratio = {name: _ratio(sequence, runs, name) for name in made[1:]}
    contestants = []
    for name in made:
        mine = [run for who, run in zip(sequence, runs) if who == name]
        contestants.append({**_contestant(name, own.get(name), mine), **others.facts(name)})
        if name not in ("torch", "dlop"):
            contestants[-1]["ratio"] = ratio[name]
            over = {key: ratio["dlop"][key] / ratio[name][key] for key in ("wall", "cpu")}
            contestants[-1]["dlop_over"] = over
    return contestants, ratio["dlop"]


def _check_all(own: dict[str, argparse.Namespace], n: int) -> bool:
    """Whether DLOP's batches equal the DataLoader's, in each pipeline that is measured."""
    pipelines = {one.pipeline: one for one in own.values()}
    equal = [
        check_equal(one, n, bench_common.pinned_cores(one.cores)) for one in pipelines.values()
    ]
    return all(equal)


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Measure; the result has the form of SCHEMA."""
    cores = bench_common.pinned_cores(options.cores)
    dataset, own = bench_pipelines.open_dataset(options), _own(options)
    samples = bench_pipelines.samples_of(dataset)
    is_equal = _check_all(own, len(dataset))
    with bench_peers.Peers(options, samples, cores) as others:
        names = ["torch", *own, *others.names]
        sequence, runs = bench_common.order(names, options.rounds), []
        progress = bench_common.Progress(len(sequence))
        for name in sequence:
            run = None
            if name == "torch" or name in own:
                run = _measure_own(own.get(name, options), name in own)
            elif name not in others.failed:
                run = others.measure(name, lambda epochs: measure(epochs, options))
            runs.append(run)
            progress.step(f"{name} {run['images_per_s']:.1f} images/s" if run else f"{name} failed")
        progress.close()
    contestants, ratio = _rows(own, others, sequence, runs)
    return {
        "schema": SCHEMA,
        "data": {"images": len(dataset), "mean_bytes": bench_pipelines.mean_bytes(dataset)},
        "cores": options.cores,
        "rounds": options.rounds,
        "batch_size": options.batch_size,
        "seconds": options.seconds,
        "repeat": options.repeat,
        "pipeline": options.pipeline,
        "contestants": contestants,
        "ratio": ratio,
        "failed": others.failed,
        "equal": is_equal,
        "machine": bench_common.machine(("torch", "torchvision", "pillow")),
    }


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    data, ratio = result["data"], result["ratio"]
    print(f"{data['images']} images of {data['mean_bytes']} bytes, {result['cores']} core(s)")
    print(f"{'':22}{'images/s':>10}{'CPU s/1000':>12}{'first batch':>13}{'memory':>10}", end="")
    print(f"{'quartiles':>16}")
    for one in result["contestants"]:
        lower, upper = one["spread"]["images_per_s"]
        print(
            f"{one['name']:22}{one['images_per_s']:10.1f}{one['cpu_s_per_1000']:12.2f}"
            f"{one['first_batch_s'] * 1e3:10.0f} ms{one['rss_peak_bytes'] / 2**20:6.0f} MiB"
            f"{f'{lower:.1f} to {upper:.1f}':>16}"
        )
    print(f"{'dlop over torch':22}{ratio['wall']:10.2f}{ratio['cpu']:12.2f}")
    bench_peers.show(result)
    print(f"batches equal: {'yes' if result['equal'] else 'NO'}")


def _plot(path: str, result: dict[str, Any]) -> None:
    title = bench_pipelines.PIPELINES[result["pipeline"]].title
    title = f"{title}, {result['cores']} core(s)"
    bench_plot.write_contestants(path, title, result["contestants"])


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done and equal, 1 not, 2 wrong usage (from argparse), 130 interrupted."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    if options.peers == ["list"]:
        bench_peers.show_list()
        return 0
    name_device(options)
    command = bench_common.Command(bench, show, _plot, lambda result: result["equal"])
    return bench_common.run_main(command, options)


if __name__ == "__main__":
    sys.exit(main())
