"""What the sub-commands of `dlop bench` share: measured children, order, statistics, output.

Key idea: every measurement is a process group of its own, forked from a parent that has done the
common set-up and pinned to the same cores; one that fails or hangs loses its row and leaves
nothing. Contestants run in random order within each round, the reference first and last, and each
run is divided by the mean of the reference runs around it, which takes the drift of the machine
out. CPU time is that of the whole process tree. Not here: what is measured.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import random
import resource
import select
import signal
import statistics
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from importlib import metadata
from typing import Any, NamedTuple

LIMIT_S = 900.0  # a measurement that takes longer has failed
_GRACE_S = 0.05


class ChildError(RuntimeError):
    """A measurement failed; its text is the reason in one line."""


def in_child(function: Callable[[], Any], cores: Sequence[int], limit_s: float = LIMIT_S) -> Any:
    """Result of function() as JSON carries it, from a fork pinned to these cores. The fork's
    process group is ended afterwards, whatever happened. ChildError: it failed, and why."""
    source, sink = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    # An interrupt that arrives while Python runs its hooks after a fork would be lost in them.
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    child = os.fork()
    if child == 0:
        os.close(source)
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        _child(function, cores, sink)
    os.close(sink)
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        answer = json.loads(_read_line(source, child, limit_s))
    finally:
        os.close(source)
        _end(child)
    if "error" in answer:
        raise ChildError(answer["error"])
    return answer["result"]


def _child(function: Callable[[], Any], cores: Sequence[int], sink: int) -> None:
    """Never returns: the parent's handlers and atexit calls are not this process's."""
    try:
        os.setpgid(0, 0)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.sched_setaffinity(0, cores)
        answer = {"result": function()}
    except BaseException as error:
        if os.environ.get("DLOP_BENCH_TRACE"):
            traceback.print_exc()
        first_line = (str(error).strip() or "no message").splitlines()[0]
        answer = {"error": f"{type(error).__name__}: {first_line}"[:300]}
    with contextlib.suppress(BaseException), os.fdopen(sink, "w") as link:
        link.write(json.dumps(answer) + "\n")
    os._exit(0)


def _read_line(source: int, child: int, limit_s: float) -> bytes:
    """What the child writes. The end of the pipe says nothing: its workers have it open, too."""
    line, end = b"", time.monotonic() + limit_s
    while not line.endswith(b"\n"):
        has_ended = os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
        if select.select([source], [], [], 0 if has_ended else 0.1)[0]:
            part = os.read(source, 1 << 16)
            if part:
                line += part
                continue
            has_ended = True
        if has_ended:
            raise ChildError("it ended without a result")
        if time.monotonic() > end:
            raise ChildError(f"no result within {limit_s:.0f} s")
    return line


def _end(child: int) -> None:
    """End the child's process group and reap the child."""
    time.sleep(_GRACE_S)  # workers that are on their way out end in their own time
    for end in (os.killpg, os.kill):  # the second: it had no time to make its group
        with contextlib.suppress(ProcessLookupError, PermissionError):
            end(child, signal.SIGKILL)
    os.waitpid(child, 0)


def pinned_cores(n: int) -> list[int]:
    """The first n cores that this process may use."""
    return sorted(os.sched_getaffinity(0))[:n]


def cpu_s() -> float:
    """CPU seconds of this process, of the children that it has joined and of living ones."""
    total = 0.0
    for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN):
        usage = resource.getrusage(who)
        total += usage.ru_utime + usage.ru_stime
    ticks = os.sysconf("SC_CLK_TCK")
    for pid in children(os.getpid()):
        with contextlib.suppress(OSError, IndexError), open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rsplit(b")", 1)[1].split()
            total += sum(map(int, fields[11:15])) / ticks
    return total


def children(pid: int) -> list[int]:
    """Living descendants of a process."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for task in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                for child in map(int, file.read().split()):
                    found += [child, *children(child)]
    return found


def rss_bytes() -> int:
    """Memory of this process and its living descendants, pages in common counted once."""
    total = 0
    for pid in [os.getpid(), *children(os.getpid())]:
        with (
            contextlib.suppress(OSError, IndexError),
            open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as file,
        ):
            total += int([line for line in file if line.startswith("Pss:")][0].split()[1]) * 1024
    return total


def order(names: Sequence[str], rounds: int) -> list[str]:
    """Who is measured when: names[0] is the reference, which comes first and last and at least
    once in every round; the order within a round is random, the same in each call."""
    sequence = [names[0]]
    for k in range(rounds):
        sequence += random.Random(k).sample(list(names), len(names))
    return sequence if sequence[-1] == names[0] else [*sequence, names[0]]


def ratios(sequence: Sequence[str], runs: Sequence[Any], name: str, key: str) -> list[float]:
    """Each run of `name` over the mean of the reference runs before and after it; a run that
    failed is None and left out."""
    reference = sequence[0]
    values = []
    for k, who in enumerate(sequence):
        if who == name and runs[k] is not None:
            before = next(runs[i] for i in range(k, -1, -1) if sequence[i] == reference)
            after = next(runs[i] for i in range(k, len(runs)) if sequence[i] == reference)
            values.append(2 * runs[k][key] / (before[key] + after[key]))
    return values


def quartiles(values: Sequence[float]) -> list[float]:
    """[lower quartile, upper quartile]."""
    if len(values) < 2:
        return [values[0], values[0]]
    lower, _, upper = statistics.quantiles(values, n=4, method="inclusive")
    return [lower, upper]


def medians(runs: Sequence[dict[str, float]]) -> dict[str, float]:
    return {key: statistics.median(run[key] for run in runs) for key in runs[0]}


def spread(runs: Sequence[dict[str, float]]) -> dict[str, list[float]]:
    return {key: quartiles([run[key] for run in runs]) for key in runs[0]}


def machine(packages: Sequence[str] = ()) -> dict[str, Any]:
    """Facts that a reader needs beside figures; versions are those of installed packages."""
    from . import _lib

    facts, flags = {}, ""
    with contextlib.suppress(OSError), open("/proc/cpuinfo", encoding="utf-8") as file:
        for line in file.read().split("\n\n")[0].splitlines():
            key, _, value = line.partition(":")
            facts[key.strip()] = value.strip()
            flags = facts.get("flags", facts.get("Features", ""))
    levels = [level for level in ("asimd", "avx2", "avx512f", "avx512_vbmi") if level in flags]
    versions = {"python": platform.python_version(), "dlop": _lib.VERSION}
    for package in packages:
        with contextlib.suppress(metadata.PackageNotFoundError):
            versions[package] = metadata.version(package)
    return {
        "processor": facts.get("model name", platform.machine()),
        "cores": os.cpu_count(),
        "vector": levels[-1] if levels else "none",
        "vector_mask": os.environ.get("DLOP_VECTOR", "all"),
        "kernel": platform.release(),
        "load": os.getloadavg()[0],  # tasks over the last minute, this measurement's own included
        "build": _lib.lib().dlop_build_info().decode(),
        "versions": versions,
    }


class Progress:
    """One line on a terminal that is rewritten; nothing elsewhere."""

    def __init__(self, n_steps: int) -> None:
        self._n_steps, self._step = n_steps, 0
        self._is_shown = sys.stderr.isatty()

    def step(self, text: str) -> None:
        self._step += 1
        if self._is_shown:
            sys.stderr.write(f"\r\033[K{self._step}/{self._n_steps} {text}")
            sys.stderr.flush()

    def close(self) -> None:
        if self._is_shown:
            sys.stderr.write("\r\033[K")


class Command(NamedTuple):
    """What a sub-command does with its options."""

    bench: Callable[[Any], dict[str, Any]]  # measure
    show: Callable[[dict[str, Any]], None]  # the result as text
    plot: Callable[[str, dict[str, Any]], None]  # the result to a file
    is_good: Callable[[dict[str, Any]], bool]  # no bit differs


def _run(command: Command, options: Any) -> int:
    """The result as JSON where it is wanted (- is standard output), as text unless JSON went there,
    and as a plot."""
    result = command.bench(options)
    text = json.dumps(result, indent=1)
    if options.json == "-":
        print(text)
    else:
        command.show(result)
    if options.json and options.json != "-":
        with open(options.json, "w", encoding="utf-8") as file:
            file.write(text + "\n")
    if options.plot:
        command.plot(options.plot, result)
    return 0 if command.is_good(result) else 1


def run_main(command: Command, options: Any) -> int:
    """Measure and tell. Exit status of a sub-command: 0 done, 1 where a bit differs or with one
    line of reason, 130 after Ctrl-C or SIGTERM, which both end what is running."""
    from . import _lib

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(command, options)
    except (ImportError, OSError, RuntimeError, _lib.LibraryError) as error:
        sys.stderr.write(f"dlop bench: {error}\n")
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\ndlop bench: interrupted, nothing was written\n")
        return 130
