"""The script that measures the whole table: one run of it, and what it makes of results."""

import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("table")


def load():
    loader = importlib.machinery.SourceFileLoader("bench_table", str(SCRIPT))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("bench_table", loader))
    loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def table():
    sys.dont_write_bytecode, before = True, sys.dont_write_bytecode
    yield load()
    sys.dont_write_bytecode = before


def test_a_run_gives_its_rows(tmp_path):
    output, page = tmp_path / "table.json", tmp_path / "table.md"
    done = subprocess.run(
        [SCRIPT, "--rows", "cifar", "--quick", "--json", output, "--markdown", page],
        env={**os.environ, "DLOP_PYTHON": sys.executable},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    made = json.loads(output.read_text())
    assert made["schema"] == "dlop.bench.table/1" and list(made["rows"]) == ["cifar"]
    row = made["rows"]["cifar"]
    assert row["wall"] == made["runs"]["cifar"]["ratio"]["wall"] and row["floor"] == 3
    assert row["title"] in page.read_text() and "bench loader --data" in done.stderr


def test_wrong_usage():
    done = subprocess.run([SCRIPT, "--rows", "colour"], capture_output=True, text=True)
    assert done.returncode == 2 and "colour" in done.stderr


RESULT = {
    "cores": 2,
    "ratio": {"wall": 5.0, "cpu": 4.5},
    "failed": {"ffcv": "no module ffcv"},
    "contestants": [
        {"name": "torch", "images_per_s": 10.0, "cpu_s_per_1000": 100.0},
        {"name": "dlop", "gap_percent": 2.5},
        {"name": "dali", "dlop_over": {"wall": 2.5, "cpu": 1.9}},
        {"name": "dlop cores=2", "dlop_over": {"wall": 0.5, "cpu": 1.0}},
        {"name": "dlop output=u8-nhwc", "images_per_s": 55.0, "cpu_s_per_1000": 24.0},
        {
            "name": "dlop output=f32-nchw",
            "dlop_over": {"wall": 1.0, "cpu": 0.99},
            "images_per_s": 50.0,
            "cpu_s_per_1000": 30.0,
        },
    ],
}


@pytest.mark.parametrize(
    ("name", "wall", "cpu", "is_met"),
    [
        ("torch", 5.0, 4.5, True),
        ("dali", 2.5, 1.9, False),  # by CPU time alone it is below
        ("cores", 2.0, None, True),
        ("u8", 1.1, 1.25, True),
        ("mixed", 2 / 1.5, None, False),
        ("train-1", 2.5, None, True),
    ],
)
def test_figures_and_floors(table, name, wall, cpu, is_met):
    row = table.figures(table.ROWS[name], {table.ROWS[name].run: RESULT})
    assert row["wall"] == pytest.approx(wall) and row["is_met"] is is_met
    assert row["cpu"] == (None if cpu is None else pytest.approx(cpu))


def test_what_is_missing_is_said(table):
    row = table.figures(table.ROWS["ffcv"], {"loaders": RESULT})
    assert row["missing"] == "no module ffcv" and not row["is_met"]
    row = table.figures(table.ROWS["ffcv"], {"loaders": "dlop bench: no torch"})
    assert row["missing"] == "dlop bench: no torch"
    assert table.figures(table.ROWS["420"], {})["missing"] == "not measured yet"
    machine = {"processor": "a", "cores": 1, "build": "b"}
    assert "no figure: dlop bench" in table.markdown({"machine": machine, "rows": {"x": row}})


def test_every_row_has_its_run(table):
    assert {row.run for row in table.ROWS.values()} == set(table.RUNS)
