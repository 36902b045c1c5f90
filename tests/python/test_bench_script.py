"""A script of the user's own, as written and under dlop run: what is compared and timed."""

import json
import os
import sys
import xml.etree.ElementTree
from pathlib import Path

import pytest
import script
from conftest import PACKAGE
from dlop import bench_script

DLOP = os.environ.get("DLOP_COMMAND", str(Path(PACKAGE).parents[1] / "build" / "dlop"))

TRAIN = """
import os, sys, time
attached = "DLOP_LIBRARY" in os.environ
assert attached == any("dlop" in p or "host/python" in p for p in sys.path), sys.path
for epoch in range(3):
    time.sleep(0.05)
    loss = {loss}
    print(f"Epoch {{epoch}}: loss = {{loss:.4f}}")
"""


def run(tmp_path, loss, *arguments):
    train = tmp_path / "train.py"
    train.write_text(TRAIN.format(loss=loss))
    return script.run(
        [DLOP, "bench", "train", *map(str, arguments), "--", sys.executable, str(train)],
        attach=False,
        cwd=tmp_path,
        DLOP_PYTHON=sys.executable,
    )


def test_result(tmp_path):
    plot = tmp_path / "script.svg"
    child = run(tmp_path, "1 / (1 + epoch)", *("--rounds", 2, "--json", "-", "--plot", plot))
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert result["schema"] == "dlop.bench.script/1"
    assert result["losses"] == "equal" and result["n_losses"] == 3 and result["loaders"] == []
    assert [one["name"] for one in result["contestants"]] == ["script", "dlop"]
    for one in result["contestants"]:
        assert 0.05 <= one["epoch_s"] < one["run_s"] and one["cpu_s"] > 0
    assert result["ratio"]["run_s"] > 0
    texts = {one.text for one in xml.etree.ElementTree.parse(plot).getroot().findall("{*}text")}
    assert "dlop, epoch" in texts


@pytest.mark.parametrize(
    ("loss", "status", "told"),
    [
        ("attached + epoch", 1, "3 losses: DIFFERENT"),
        ("time.perf_counter()", 0, "the script's own runs differ"),
    ],
)
def test_losses_that_differ(tmp_path, loss, status, told):
    child = run(tmp_path, loss, "--rounds", 1)
    assert child.returncode == status and told in child.stdout, child.stderr


def test_a_script_that_fails(tmp_path):
    child = run(tmp_path, "1 / 0")
    assert child.returncode == 1 and child.stdout == ""
    assert "exit status 1: ZeroDivisionError" in child.stderr


@pytest.mark.parametrize("arguments", [("--rounds", 0), ("--compare", "("), ("--cores", 999)])
def test_wrong_usage(tmp_path, arguments):
    child = run(tmp_path, "1", *arguments)
    assert child.returncode == 2 and child.stdout == ""


def test_what_counts_as_a_loss():
    output = "Train loss: 2.31\nloss=1e-05, acc 0.5\nval_loss 0.75 (best)\nLoss nan\nlossless\n"
    assert bench_script.values_of(output, bench_script._LOSS) == ["2.31", "1e-05", "0.75", "nan"]
    assert bench_script.values_of(output, r"acc (\S+)") == ["0.5"]


def test_epochs_are_timed_by_their_last_lines():
    lines = [[0.5, "epoch 1 begins"], [2.0, "Epoch [1/3] done"], [3.0, "epoch 2 begins"]]
    lines += [[5.0, "Epoch [2/3] done"], [5.5, "saved"], [9.0, "Epoch 3"]]
    assert bench_script.epoch_s(lines, bench_script._EPOCH) == 3.5
    assert bench_script.epoch_s(lines[:2], bench_script._EPOCH) is None


@pytest.mark.parametrize(
    ("own", "ours", "told"),
    [
        ([["1"], ["1"]], [["1"]], "equal"),
        ([["1"], ["1"]], [["1"], ["2"]], "different"),
        ([["1"], ["2"]], [["1"]], "unsteady"),
        ([[], []], [[]], "none"),
        ([["1"], ["1"]], [[]], "different"),
    ],
)
def test_comparison(own, ours, told):
    assert bench_script.compare(own, ours) == told
