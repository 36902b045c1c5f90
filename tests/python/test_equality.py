"""The equality matrix: workers, samplers, transforms, batches, threads."""

import itertools

import pytest
from matrix import (
    BATCHES,
    PIPELINES,
    ROWS,
    SAMPLERS,
    THREADS,
    WORKERS,
    check_row,
    identify,
    make_loader,
)
from pair import compare

QUICK = [row for number, row in enumerate(ROWS) if number % 4 == number // 4 % 4]
FULL = [row for row in ROWS if row not in QUICK]


def test_rows_cover_all_pairs():
    """All pairs of values, but for pipelines with samplers, which never meet in the code."""
    factors = [list(PIPELINES), SAMPLERS, WORKERS, BATCHES, THREADS]
    for a, b in itertools.combinations(range(len(factors)), 2):
        if (a, b) != (0, 1) and a != 0:
            wanted = set(itertools.product(factors[a], factors[b]))
            assert {(row[a], row[b]) for row in ROWS} == wanted


@pytest.mark.parametrize("row", QUICK, ids=identify)
def test_one_row_of_each_pipeline(tiny, row, monkeypatch):
    monkeypatch.setenv("DLOP_THREADS", "")
    check_row(tiny, row)


@pytest.mark.full
@pytest.mark.parametrize("row", FULL, ids=identify)
def test_all_pairs(tiny, row, monkeypatch):
    monkeypatch.setenv("DLOP_THREADS", "")
    check_row(tiny, row)


def test_larger_photographs(middle):
    compare(lambda: make_loader(middle, "v1-train", 2, "shuffle", (16, False, 2)), epochs=1)
