"""`dlop bench loader`: the script's own DataLoader and DLOP, interleaved in one process tree.

Key idea: one parent imports torch and builds the dataset, each measurement is a fork of it, pinned
to the same cores, so that all contestants start alike. The reference runs first, last and between;
each run of DLOP is divided by the mean of the reference runs around it, which takes the drift of
the machine out; ratios are medians over the rounds. CPU time is that of the whole process tree.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import random
import resource
import statistics
import sys
import time
import traceback
from typing import Any

from . import report

SCHEMA = "dlop.bench.loader/1"
_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_N_EQUAL = 256


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="dlop bench loader", description=__doc__.split("\n")[0])
    parser.add_argument("--data", required=True, help="folder with one folder per class")
    parser.add_argument("--cores", type=int, default=1, help="cores of the process tree")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds")
    parser.add_argument("--limit", type=int, default=0, help="first N images only, 0 = all")
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--pipeline", choices=("v1", "v2", "v2-tensor"), default="v1")
    parser.add_argument("--device", help="devices, as for dlop run (DLOP_DEVICE, or auto)")
    parser.add_argument("--json", metavar="FILE", help="write the result; - is standard output")
    options = parser.parse_args(arguments)
    available = len(os.sched_getaffinity(0))
    if not 1 <= options.cores <= available:
        parser.error(f"--cores: {available} cores are available")
    if options.rounds < 1 or options.limit < 0 or options.batch_size < 1:
        parser.error("--rounds, --limit, --batch-size: out of range")
    return options


def _transform(pipeline: str) -> Any:
    import torch

    if pipeline == "v1":
        from torchvision import transforms as v1

        parts = [v1.RandomResizedCrop(224), v1.RandomHorizontalFlip()]
        return v1.Compose([*parts, v1.ToTensor(), v1.Normalize(_MEAN, _STD)])
    from torchvision.transforms import v2

    crop, flip = v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()
    tail = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(_MEAN, _STD)]
    if pipeline == "v2":
        return v2.Compose([crop, flip, v2.ToImage(), *tail])
    return v2.Compose([crop, flip, *tail])


def _dataset(options: argparse.Namespace) -> Any:
    import functools

    from torch.utils.data import Subset
    from torchvision.datasets import ImageFolder

    keywords = {}
    if options.pipeline == "v2-tensor":
        from torchvision.io import ImageReadMode, read_image

        keywords["loader"] = functools.partial(read_image, mode=ImageReadMode.RGB)
    dataset = ImageFolder(options.data, _transform(options.pipeline), **keywords)
    n = min(options.limit or len(dataset), len(dataset))
    step = len(dataset) / n  # spread over the classes
    return Subset(dataset, [int(k * step) for k in range(n)]) if n < len(dataset) else dataset


def _loader(dataset: Any, options: argparse.Namespace, is_dlop: bool) -> Any:
    from torch.utils.data import DataLoader

    from .hook import accelerate

    loader = DataLoader(
        dataset, batch_size=options.batch_size, shuffle=True, num_workers=options.cores
    )
    return accelerate(loader) if is_dlop else loader


def _in_child(function: Any, cores: list[int]) -> Any:
    """Result of function() in a fork pinned to these cores."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            os.close(source)
            os.sched_setaffinity(0, cores)
            report.is_quiet = True
            with os.fdopen(sink, "w") as link:
                json.dump(function(), link)
            status = 0
        except Exception:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    os.close(sink)
    with os.fdopen(source) as link:
        text = link.read()
    _, status = os.waitpid(child, 0)
    if status != 0:
        raise RuntimeError(f"a measurement ended with status {status}")
    return json.loads(text)


def _measure(dataset: Any, options: argparse.Namespace, is_dlop: bool) -> dict[str, float]:
    """One epoch in this process, after one batch of warming up."""
    import torch

    torch.set_num_threads(options.cores)
    torch.manual_seed(1)
    loader = _loader(dataset, options, is_dlop)
    next(iter(loader))
    cpu_before, begin = _cpu_s(), time.perf_counter()
    first, n, peak = 0.0, 0, 0
    for images, _ in loader:
        first = first or time.perf_counter() - begin
        n += len(images)
        peak = max(peak, _rss_bytes()) if n <= 4 * options.batch_size else peak
    wall = time.perf_counter() - begin
    peak = max(peak, _rss_bytes(), resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
    return {
        "images_per_s": n / wall,
        "cpu_s_per_1000": (_cpu_s() - cpu_before) / n * 1000,
        "first_batch_s": first,
        "rss_peak_bytes": peak,
    }


def _cpu_s() -> float:
    """CPU seconds of this process and of the workers that it has joined."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    return total


def _rss_bytes() -> int:
    """Memory of this process and its living children, pages in common counted once."""
    total, pids = 0, [os.getpid()]
    with open(f"/proc/{os.getpid()}/task/{os.getpid()}/children", encoding="ascii") as file:
        pids += [int(pid) for pid in file.read().split()]
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file:
                lines = [line for line in file if line.startswith("Pss:")]
            total += int(lines[0].split()[1]) * 1024
        except (OSError, IndexError):
            continue
    return total


def _digest(dataset: Any, options: argparse.Namespace, is_dlop: bool) -> list[str]:
    """Digest of all batches of one epoch, of their form, and of the random state after each."""
    import torch

    torch.manual_seed(7)
    digest = hashlib.sha256()
    tier = ""
    loader = _loader(dataset, options, is_dlop)
    for images, targets in loader:
        form = (images.dtype, images.shape, images.stride(), targets.dtype, images.is_shared())
        digest.update(repr(form).encode())
        for values in (images, targets, torch.get_rng_state()):
            digest.update(memoryview(values.contiguous().view(torch.uint8).numpy()).cast("B"))
    if is_dlop:
        entry = report.of(loader, "", None)
        tier = f"{entry.tier}: {entry.reason}"
    return [digest.hexdigest(), tier]


def _order(rounds: int) -> list[bool]:
    """Which of the measurements are DLOP's: the reference is first, last and never far."""
    order = [False]
    for k in range(rounds):
        order += random.Random(k).sample([True, False], 2)
    return order if not order[-1] else [*order, False]


def _ratios(order: list[bool], runs: list[dict[str, float]], key: str) -> list[float]:
    """Each DLOP run over the mean of the reference runs before and after it."""
    values = []
    for k, is_dlop in enumerate(order):
        if is_dlop:
            before = next(runs[i] for i in range(k, -1, -1) if not order[i])
            after = next(runs[i] for i in range(k, len(order)) if not order[i])
            values.append(2 * runs[k][key] / (before[key] + after[key]))
    return values


def _contestant(name: str, device: str, runs: list[dict[str, float]]) -> dict[str, Any]:
    medians = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    medians["rss_peak_bytes"] = int(max(run["rss_peak_bytes"] for run in runs))
    return {"name": name, "device": device, "cache": "off", **medians}


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Measure; the result has the form of SCHEMA."""
    cores = sorted(os.sched_getaffinity(0))[: options.cores]
    dataset = _dataset(options)
    paths = _paths(dataset)
    few = argparse.Namespace(**{**vars(options), "limit": min(len(dataset), _N_EQUAL)})
    small = _dataset(few)
    wanted = _in_child(lambda: _digest(small, few, False), cores)
    made = _in_child(lambda: _digest(small, few, True), cores)
    if made[1] != "A: ":
        raise RuntimeError(f"the loader got tier {made[1]}")
    order, runs = _order(options.rounds), []
    for number, is_dlop in enumerate(order):
        runs.append(_in_child(lambda: _measure(dataset, options, is_dlop), cores))  # noqa: B023
        if sys.stderr.isatty():
            name = "dlop" if is_dlop else "torch"
            rate = runs[-1]["images_per_s"]
            sys.stderr.write(f"\r{number + 1}/{len(order)} {name} {rate:.1f} images/s   ")
    if sys.stderr.isatty():
        sys.stderr.write("\n")
    theirs = [run for run, is_dlop in zip(runs, order) if not is_dlop]
    ours = [run for run, is_dlop in zip(runs, order) if is_dlop]
    wall = statistics.median(_ratios(order, runs, "images_per_s"))
    cpu = statistics.median(_ratios(order, runs, "cpu_s_per_1000"))
    return {
        "schema": SCHEMA,
        "data": {
            "images": len(dataset),
            "mean_bytes": round(sum(map(os.path.getsize, paths)) / len(paths)),
        },
        "cores": options.cores,
        "contestants": [
            _contestant("torch", "cpu", theirs),
            _contestant("dlop", os.environ.get("DLOP_DEVICE", "auto"), ours),
        ],
        "ratio": {"wall": wall, "cpu": 1 / cpu},
        "equal": wanted[0] == made[0],
    }


def _paths(dataset: Any) -> list[str]:
    inner = getattr(dataset, "dataset", dataset)
    indices = getattr(dataset, "indices", range(len(inner)))
    return [inner.samples[k][0] for k in indices]


def _print(result: dict[str, Any]) -> None:
    data = result["data"]
    print(f"{data['images']} images of {data['mean_bytes']} bytes, {result['cores']} core(s)")
    print(f"{'':8}{'images/s':>10}{'CPU s/1000':>12}{'first batch':>13}{'memory':>10}")
    for one in result["contestants"]:
        print(
            f"{one['name']:8}{one['images_per_s']:10.1f}{one['cpu_s_per_1000']:12.2f}"
            f"{one['first_batch_s'] * 1e3:10.0f} ms{one['rss_peak_bytes'] / 2**20:6.0f} MiB"
        )
    ratio = result["ratio"]
    print(f"{'ratio':8}{ratio['wall']:10.2f}{ratio['cpu']:12.2f}")
    print(f"batches equal: {'yes' if result['equal'] else 'NO'}")


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done and equal, 1 not, 2 wrong usage (from argparse)."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    if options.device:
        os.environ["DLOP_DEVICE"] = options.device
    try:
        result = bench(options)
    except (ImportError, OSError, RuntimeError) as error:
        sys.stderr.write(f"dlop bench: {error}\n")
        return 1
    text = json.dumps(result)
    if options.json == "-":
        print(text)
    else:
        _print(result)
        if options.json:
            with open(options.json, "w", encoding="utf-8") as file:
                file.write(text + "\n")
    return 0 if result["equal"] else 1


if __name__ == "__main__":
    sys.exit(main())
