"""`dlop bench kernels`: every step of the CPU's kernels by itself, at each vector level.

Key idea: the loops are in C (driver/cpu/timing.h) and run over the parts of real photographs:
their bytes, coefficients, samples and rows. Levels take turns within each round in random order,
so that a busy machine hits all alike; CPU time of one thread counts. Needs no torch.
"""

from __future__ import annotations

import argparse
import ctypes as C
import os
import random
import statistics
import sys
from typing import Any

from . import _bench_lib, _lib, bench_common, bench_decode, bench_plot

SCHEMA = "dlop.bench.kernels/1"
_EPILOG = """Examples:
  dlop bench kernels --data photos
  dlop bench kernels --data photos --steps axis,pack --json kernels.json --plot kernels.svg

Times are ns of one thread's CPU per unit: the median of the rounds. The last column is the
reference's time over that of the best level, which is what a run uses. decode_mcus has the
inverse DCT in it; skip_mcus passes over blocks beside a crop.
"""


class Case:
    """One step with one kind of input."""

    def __init__(self, number: int, step: str, given: str, unit: str) -> None:
        self.number, self.step, self.given, self.unit = number, step, given, unit


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dlop bench kernels",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Times each step of the CPU's kernels on parts of the JPEG files below DIR,\n"
        f"at every vector level that this processor has. Result: schema {SCHEMA}.",
        epilog=_EPILOG,
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with photographs")
    parser.add_argument("--limit", type=int, default=8, help="N files only, spread over all (8)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--ms", type=float, default=10.0, help="of each measurement (10)")
    parser.add_argument("--steps", metavar="NAMES", help="only steps that begin so, with commas")
    parser.add_argument("--json", metavar="FILE", help="write the result; - is standard output")
    parser.add_argument("--plot", metavar="FILE", help="draw the last column: .svg or .png")
    options = parser.parse_args(arguments)
    if options.rounds < 1 or not 1 <= options.limit <= 64 or not 0 < options.ms <= 10000:
        parser.error("--rounds, --limit (1 to 64), --ms: out of range")
    bench_plot.check_name(parser, options.plot)
    return options


def levels() -> dict[str, int]:
    """Vector masks of the levels that this processor has, by name, the reference first."""
    made, mask, is_usable = {}, C.c_uint32(), C.c_uint32()
    level = _bench_lib.lib().dlop_bench_kernels_level
    while name := level(len(made), C.byref(mask), C.byref(is_usable)):
        made[name.decode()] = mask.value if is_usable.value else None
    return {name: value for name, value in made.items() if value is not None}


class Kernels:
    """The C side with some photographs."""

    def __init__(self, paths: list[str]) -> None:
        self._address, self.n_photos = C.c_void_p(), 0
        lib = _bench_lib.lib()
        _lib.check(lib.dlop_bench_kernels_open(C.byref(self._address)), "cannot begin")
        for path in paths:
            with open(path, "rb") as file:
                data = file.read()
            self.n_photos += lib.dlop_bench_kernels_add(self._address, data, len(data)) == _lib.OK

    def cases(self, steps: str | None) -> list[Case]:
        """All cases, or those of steps that begin with one of these names."""
        made: list[Case] = []
        given, unit = C.c_char_p(), C.c_char_p()
        case = _bench_lib.lib().dlop_bench_kernels_case
        while step := case(self._address, len(made), C.byref(given), C.byref(unit)):
            texts = [(text or b"").decode() for text in (step, given.value, unit.value)]
            made.append(Case(len(made), *texts))
        wanted = tuple(steps.split(",")) if steps else ("",)
        return [one for one in made if one.step.startswith(wanted)]

    def run(self, case: Case, mask: int, ms: float) -> float:
        """ns per unit."""
        ns = C.c_double()
        status = _bench_lib.lib().dlop_bench_kernels_run(
            self._address, case.number, mask, int(ms * 1e6), C.byref(ns)
        )
        _lib.check(status, f"{case.step}, {case.given}, mask {mask}")
        return ns.value


def _measure(paths: list[str], options: argparse.Namespace) -> dict[str, Any]:
    """Number of photographs used, and the times of each case and level, one per round."""
    kernels, found = Kernels(paths), levels()
    if not kernels.n_photos:
        raise OSError(f"no file below {options.data} is one scan without restart markers")
    cases = kernels.cases(options.steps)
    times: dict[str, list[list[float]]] = {name: [[] for _ in cases] for name in found}
    for k in range(options.rounds):
        for i, case in enumerate(cases):
            for name in random.Random(k).sample(list(found), len(found)):
                times[name][i].append(kernels.run(case, found[name], options.ms))
    texts = [[case.step, case.given, case.unit] for case in cases]
    return {"photos": kernels.n_photos, "cases": texts, "times": times}


def _row(texts: list[str], times: dict[str, list[float]]) -> dict[str, Any]:
    """A case with its median time at each level; the last level is the best."""
    ns = {name: statistics.median(values) for name, values in times.items()}
    best = list(ns)[-1]
    ratios = [a / b for a, b in zip(times["reference"], times[best])]
    return {
        **dict(zip(("step", "input", "unit"), texts)),
        "ns": ns,
        "spread": {name: bench_common.quartiles(values) for name, values in times.items()},
        "ratio": statistics.median(ratios),
        "ratio_spread": bench_common.quartiles(ratios),
    }


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Measure; the result has the form of SCHEMA."""
    paths = bench_decode.find(options.data, options.limit)
    if not paths:
        raise OSError(f"no JPEG files below {options.data}")
    cores = bench_common.pinned_cores(1)
    taken = bench_common.in_child(lambda: _measure(paths, options), cores)
    if not taken["cases"]:
        raise OSError(f"no step begins with {options.steps}")
    rows = [
        _row(texts, {name: times[i] for name, times in taken["times"].items()})
        for i, texts in enumerate(taken["cases"])
    ]
    return {
        "schema": SCHEMA,
        "data": {
            "images": taken["photos"],
            "mean_bytes": round(sum(map(os.path.getsize, paths)) / len(paths)),
        },
        "rounds": options.rounds,
        "levels": list(taken["times"]),
        "steps": rows,
        "machine": bench_common.machine(),
    }


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    data = result["data"]
    print(f"{data['images']} photographs of {data['mean_bytes']} bytes; ns of CPU per unit")
    print(f"{'':48}{'per':8}" + "".join(f"{name:>11}" for name in result["levels"]) + f"{'':9}")
    for row in result["steps"]:
        name = f"{row['step']}  {row['input']}"
        times = "".join(f"{row['ns'][level]:11.3f}" for level in result["levels"])
        print(f"{name:48}{row['unit']:8}{times}{row['ratio']:8.2f}x")


def _plot(path: str, result: dict[str, Any]) -> None:
    bars = [
        bench_plot.Bar(f"{row['step']} {row['input']}".strip(), row["ratio"], *row["ratio_spread"])
        for row in result["steps"]
    ]
    title = f"Reference over {result['levels'][-1]}, times as fast"
    bench_plot.write(path, title, "x", bars)


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done, 1 not, 2 wrong usage (from argparse), 130 interrupted."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    command = bench_common.Command(bench, show, _plot, lambda result: True)
    return bench_common.run_main(command, options)


if __name__ == "__main__":
    sys.exit(main())
