"""The measurement of single steps: its result's form, not its figures."""

import json
import sys
import xml.etree.ElementTree

import pytest
import script
from conftest import PACKAGE, ROOT
from dlop import bench_kernels


def run(*arguments):
    command = [sys.executable, "-m", "dlop.bench_kernels", *map(str, arguments)]
    return script.run(command, attach=False, cwd=PACKAGE)


def test_result(tiny, tmp_path):
    plot = tmp_path / "kernels.svg"
    child = run(
        *("--data", tiny, "--limit", 6, "--rounds", 2, "--ms", 0.2, "--json", "-"),
        *("--steps", "idct,pack", "--plot", plot),
    )
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert result["schema"] == "dlop.bench.kernels/1" and 1 <= result["data"]["images"] <= 6
    assert result["levels"][:2] == ["reference", "plain C"]
    assert {row["step"] for row in result["steps"]} == {"idct", "pack", "pack_plan"}
    for row in result["steps"]:
        assert list(row["ns"]) == result["levels"] and all(ns > 0 for ns in row["ns"].values())
        lower, upper = row["ratio_spread"]
        assert 0 < lower <= row["ratio"] <= upper and row["unit"]
    texts = {one.text for one in xml.etree.ElementTree.parse(plot).getroot().findall("{*}text")}
    assert "idct" in texts


def test_script_of_the_kernel_tests(tiny):
    """tests/kernel/bench runs the same measurement; a later --data counts."""
    command = [ROOT / "tests" / "kernel" / "bench", "--data", tiny, "--limit", 1, "--rounds", 1]
    child = script.run([*map(str, command), "--ms", "0.2", "--steps", "axis_y"], attach=False)
    assert child.returncode == 0, child.stderr
    assert "axis_y" in child.stdout and "reference" in child.stdout and "pack" not in child.stdout


def test_a_row_has_medians_and_the_ratio_to_the_best_level():
    times = {"reference": [9.0, 10.0, 30.0], "plain C": [4.0, 4.0, 4.0], "x": [1.0, 2.0, 3.0]}
    row = bench_kernels._row(["idct", "any", "block"], times)
    assert row["ns"] == {"reference": 10.0, "plain C": 4.0, "x": 2.0}
    assert row["ratio"] == 9.0 and row["input"] == "any"


@pytest.mark.parametrize(
    "arguments", [(), ("--data", ".", "--limit", "0"), ("--data", ".", "--ms", "0")]
)
def test_wrong_usage(arguments):
    child = run(*arguments)
    assert child.returncode == 2 and child.stdout == "" and child.stderr


@pytest.mark.parametrize("missing", ["photographs", "step"])
def test_what_is_missing_is_said_in_one_line(tiny, tmp_path, missing):
    data = tmp_path if missing == "photographs" else tiny
    child = run("--data", data, "--steps", "colourful", "--limit", 1)
    assert child.returncode == 1 and child.stdout == "" and child.stderr.count("\n") == 1
