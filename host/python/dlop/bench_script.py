"""`dlop bench train -- COMMAND`: the user's own training, as written and under `dlop run`.

Key idea: whole processes, started in turn, so that start-up, model, optimiser and everything else
that the script does are in the figures; nothing is assumed about it but that it prints. What it
prints as losses must be equal to the digit. Epochs are timed from outside, by the moments at which
lines with their numbers appear. Not here: stand-in steps (`bench_train.py`).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

from . import bench_common, bench_plot

SCHEMA = "dlop.bench.script/1"
_NAMES = ("script", "dlop")
_TITLES = {"script": "as written", "dlop": "dlop run"}
_LIMIT_S = 7 * 86400.0
_LOSS = r"(?i)loss\w*\W*?\s*[:=]?\s*([-+]?(?:\d+\.?\d*(?:e[-+]?\d+)?|nan|inf))"
_EPOCH = r"(?i)\bepoch\D{0,3}(\d+)"
_EPILOG = """Examples:
  dlop bench train -- python train.py --epochs 3
  dlop bench train --cores 2 --rounds 5 --compare 'acc=(\\S+)' -- python train.py

Give the script a seed, or its own runs differ and nothing can be compared; three epochs or more,
since the first one starts workers. Seconds of an epoch are the median time between the last lines
of successive epochs. Exit status 1 where the script's own runs agree and DLOP's differ, or where
a run fails.
"""


class Run(NamedTuple):
    """One process from start to end."""

    seconds: float
    cpu_s: float
    lines: list[list[Any]]  # [seconds since start, text]
    status: int
    error: str  # last line of standard error

    @property
    def output(self) -> str:
        return "".join(text for _, text in self.lines)


def run_command(command: Sequence[str], environment: dict[str, str] | None = None) -> Run:
    """Start a command and wait for it; its lines get the time at which they appear. OSError: it
    cannot be started."""
    before, begin = _children_cpu_s(), time.perf_counter()
    with tempfile.TemporaryFile(mode="w+", errors="replace") as errors:
        environment = {**(environment or os.environ), "PYTHONUNBUFFERED": "1"}
        process = subprocess.Popen(
            *(command,),
            env=environment,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            errors="replace",
        )
        assert process.stdout is not None
        lines = [[time.perf_counter() - begin, text] for text in process.stdout]
        status = process.wait()
        seconds = time.perf_counter() - begin
        errors.seek(0)
        told = errors.read().strip().splitlines()
    return Run(seconds, _children_cpu_s() - before, lines, status, told[-1] if told else "")


def _children_cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def own_environment() -> dict[str, str]:
    """What a script would see without `dlop bench` around it."""
    environment = dict(os.environ)
    environment.pop("DLOP_LIBRARY", None)
    package = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    paths = environment.pop("PYTHONPATH", "").split(os.pathsep)
    paths = [path for path in paths if path and os.path.abspath(path) != package]
    if paths:
        environment["PYTHONPATH"] = os.pathsep.join(paths)
    return environment


def epoch_s(lines: list[list[Any]], pattern: str) -> float | None:
    """Median seconds between the last lines of successive epochs, or None: fewer than two."""
    last: dict[str, float] = {}
    for seconds, text in lines:
        found = re.search(pattern, text)
        if found:
            last[found.group(found.lastindex or 0)] = seconds
    moments = list(last.values())
    gaps = [after - before for before, after in zip(moments, moments[1:])]
    return statistics.median(gaps) if gaps else None


def values_of(output: str, pattern: str) -> list[str]:
    """What the script prints as losses, in order."""
    return [found.group(found.lastindex or 0) for found in re.finditer(pattern, output)]


def _options(arguments: list[str]) -> argparse.Namespace:
    split = arguments.index("--")
    available = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(
        prog="dlop bench train",
        usage="dlop bench train [OPTION...] -- COMMAND...",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Runs a training script as it is and under dlop run, in turn.\n"
        f"Result: schema {SCHEMA}.",
        epilog=_EPILOG,
    )
    parser.add_argument("--cores", type=int, default=available, help="cores of a run (all)")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (3)")
    parser.add_argument("--device", help="devices, as for dlop run (DLOP_DEVICE, or auto)")
    parser.add_argument("--compare", default=_LOSS, metavar="REGEX", help="what must be equal")
    parser.add_argument("--epoch", default=_EPOCH, metavar="REGEX", help="number of an epoch")
    parser.add_argument("--json", metavar="FILE", help="write the result; - is standard output")
    parser.add_argument("--plot", metavar="FILE", help="draw the result: .svg or .png")
    options = parser.parse_args(arguments[:split])
    options.command = arguments[split + 1 :]
    if not options.command:
        parser.error("name the command after --: dlop bench train -- python train.py")
    if not 1 <= options.cores <= available or options.rounds < 1:
        parser.error(f"--cores (1 to {available}), --rounds: out of range")
    for name in ("compare", "epoch"):
        try:
            re.compile(getattr(options, name))
        except re.error as error:
            parser.error(f"--{name}: {error}")
    bench_plot.check_name(parser, options.plot)
    return options


def _dlop() -> str:
    """The command that `dlop bench` is a part of."""
    found = os.environ.get("DLOP_COMMAND") or shutil.which("dlop")
    if not found:
        raise OSError("the command dlop is not in the path")
    return found


def _measure(options: argparse.Namespace, name: str, report: str) -> dict[str, Any]:
    """Figures and comparable output of one run. RuntimeError: the script failed."""
    command = list(options.command)
    if name == "dlop":
        device = ["--device", options.device] if options.device else []
        command = [_dlop(), "run", *device, "--report", report, *command]
    run = run_command(command, own_environment())
    if run.status:
        raise RuntimeError(f"{_TITLES[name]}: exit status {run.status}: {run.error}")
    return {
        "run_s": run.seconds,
        "cpu_s": run.cpu_s,
        "epoch_s": epoch_s(run.lines, options.epoch),
        "values": values_of(run.output, options.compare),
    }


def compare(own: list[list[str]], ours: list[list[str]]) -> str:
    """equal, different, unsteady (the script's own runs differ) or none (nothing printed)."""
    if not any(own) and not any(ours):
        return "none"
    if any(values != own[0] for values in own):
        return "unsteady"
    return "equal" if all(values == own[0] for values in ours) else "different"


def _row(name: str, runs: list[dict[str, Any]]) -> dict[str, Any]:
    figures = [{k: v for k, v in run.items() if k != "values" and v is not None} for run in runs]
    return {
        "name": name,
        "epoch_s": None,
        **bench_common.medians(figures),
        "spread": bench_common.spread(figures),
    }


def _ratio(sequence: list[str], runs: list[Any], key: str) -> float | None:
    """How many times as long the script takes as written."""
    if any(run[key] is None for run in runs):
        return None
    return 1 / statistics.median(bench_common.ratios(sequence, runs, "dlop", key))


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Measure; the result has the form of SCHEMA."""
    cores, sequence = (
        bench_common.pinned_cores(options.cores),
        bench_common.order(_NAMES, options.rounds),
    )
    progress, runs = bench_common.Progress(len(sequence)), []
    with tempfile.TemporaryDirectory(prefix="dlop-bench-") as folder:
        report = os.path.join(folder, "report.json")
        for name in sequence:
            work = lambda: _measure(options, name, report)  # noqa: B023, E731
            runs.append(bench_common.in_child(work, cores, _LIMIT_S))
            progress.step(f"{_TITLES[name]} {runs[-1]['run_s']:.1f} s")
        progress.close()
        loaders = read_report(report)
    by_name = {n: [run for who, run in zip(sequence, runs) if who == n] for n in _NAMES}
    values = {name: [run["values"] for run in taken] for name, taken in by_name.items()}
    return {
        "schema": SCHEMA,
        "command": options.command,
        "cores": options.cores,
        "rounds": options.rounds,
        "contestants": [_row(name, taken) for name, taken in by_name.items()],
        "ratio": {key: _ratio(sequence, runs, key) for key in ("run_s", "epoch_s", "cpu_s")},
        "losses": compare(values["script"], values["dlop"]),
        "n_losses": len(values["dlop"][0]),
        "loaders": loaders,
        "machine": bench_common.machine(),
    }


def read_report(path: str) -> list[dict[str, Any]]:
    """The loaders of all processes of a run, as its report has them; there is none where no process
    had a loader."""
    if not os.path.exists(path):
        return []
    with open(path, encoding="utf-8") as file:
        processes = json.load(file)["processes"]
    return [loader for process in processes for loader in process["loaders"]]


_TOLD = {
    "equal": "equal in every run",
    "different": "DIFFERENT",
    "unsteady": "not comparable: the script's own runs differ (is there a seed?)",
    "none": "none printed (--compare says what to look for)",
}


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    print(f"{' '.join(result['command'])}, {result['cores']} core(s)")
    print(f"{'':12}{'whole run':>12}{'epoch':>12}{'CPU':>12}")
    rows = [(_TITLES[one["name"]], one, " s") for one in result["contestants"]]
    for title, figures, unit in [*rows, ("ratio", result["ratio"], "x ")]:
        cells = [figures[key] for key in ("run_s", "epoch_s", "cpu_s")]
        told = ["-" if cell is None else f"{cell:.2f}{unit}" for cell in cells]
        print(f"{title:12}" + "".join(f"{cell:>12}" for cell in told))
    print(f"{result['n_losses']} losses: {_TOLD[result['losses']]}")
    for one in result["loaders"]:
        why = f": {one['reason']}" if one["reason"] else ""
        print(f"loader {one['dataset']}: tier {one['tier']} on {one['device']}{why}")
    if not result["loaders"]:
        print("no DataLoader was met under dlop run: nothing could become faster")


def _plot(path: str, result: dict[str, Any]) -> None:
    bars = []
    for one in result["contestants"]:
        for key, text in (("run_s", "whole run"), ("epoch_s", "epoch")):
            if one[key] is not None:
                name = f"{one['name']}, {text}"
                bars.append(bench_plot.Bar(name, one[key], *one["spread"][key]))
    bench_plot.write(path, f"{result['cores']} core(s), with and without DLOP", "s", bars)


def main(arguments: list[str]) -> int:
    """Exit status: 0 done, 1 not or other losses, 2 wrong usage (from argparse), 130
    interrupted."""
    options = _options(arguments)
    command = bench_common.Command(
        bench, show, _plot, lambda result: result["losses"] != "different"
    )
    return bench_common.run_main(command, options)
