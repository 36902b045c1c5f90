"""The measurement of an epoch with a stand-in device step."""

import itertools
import json
import sys

import pytest
import script
from conftest import PACKAGE
from dlop import bench_train


def run(*arguments):
    command = [sys.executable, "-m", "dlop.bench_train", *map(str, arguments)]
    return script.run(command, attach=False, cwd=PACKAGE)


def test_result(tiny, tmp_path):
    plot = tmp_path / "train.png"
    child = run(
        *("--data", tiny, "--limit", 20, "--batch-size", 6, "--rounds", 1, "--step-ms", 50),
        *("--json", "-", "--plot", plot, "--seconds", 0),
    )
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert result["schema"] == "dlop.bench.train/1" and result["equal"] is True
    assert result["data"] == {"images": 20, "batches": 4, "batch_size": 6}
    assert [one["name"] for one in result["contestants"]] == ["torch", "dlop"]
    for one in result["contestants"]:
        assert one["step_s"] >= 0.2 and one["epoch_s"] > one["step_s"] * 0.99
        assert one["loader_s"] > 0 and one["cpu_s"] > 0
    assert result["ratio"]["epoch_s"] > 0 and result["machine"]["versions"]["torch"]
    assert plot.read_bytes().startswith(b"\x89PNG")


def test_epoch_counts_steps_and_waits_but_not_the_first_start():
    starts = itertools.count()
    slept = []

    def batches():
        slept.append(next(starts))
        return iter(range(5))

    taken = bench_train.epoch_s(batches, 0.02)
    assert slept == [0, 1] and 0.1 <= taken["epoch_s"] < 5
    assert taken["cpu_s"] < taken["epoch_s"]
    slept.clear()
    again = bench_train.epoch_s(batches, 0.02, least_s=0.35)
    assert 3 <= len(slept) <= 5 and 0.1 <= again["epoch_s"] < 0.4  # the first is the warm-up


@pytest.mark.parametrize(
    ("step", "loader", "epoch", "limit", "gap"),
    [(2.0, 1.0, 2.1, "step", 5.0), (1.0, 4.0, 5.0, "loader", 25.0)],
)
def test_gap_is_to_the_slower_of_both(step, loader, epoch, limit, gap):
    taken = {"step_s": step, "loader_s": loader, "epoch_s": epoch, "cpu_s": 1.0}
    made = bench_train.row("dlop", [dict(taken), dict(taken)])
    assert made["limit"] == limit and made["bound_s"] == max(step, loader)
    assert made["gap_percent"] == pytest.approx(gap)
    assert made["spread"]["gap_percent"] == pytest.approx([gap, gap])


@pytest.mark.parametrize("step", [(), ("--step-ms", "-1"), ("--step-ms", "nan")])
def test_wrong_usage(tiny, step):
    child = run("--data", tiny, *step)
    assert child.returncode == 2 and child.stdout == "" and "--step-ms" in child.stderr
