"""Verification while training, the lines and the report."""

import json
import sys

import dlop
import pytest
import script
from dlop import _lib, iterate, plan, report, rng
from pair import compare, reason_of, record, seed, tier_of
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder


def make_loader(root, workers, **options):
    parts = [v1.RandomResizedCrop(32), v1.RandomHorizontalFlip(), v1.ToTensor()]
    dataset = ImageFolder(str(root), v1.Compose(parts))
    options.setdefault("batch_size", 8)
    return DataLoader(dataset, shuffle=True, num_workers=workers, **options)


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_verified_batches_are_counted_and_change_nothing(tiny, monkeypatch, workers):
    monkeypatch.setenv("DLOP_VERIFY", "5")
    loader = compare(lambda: make_loader(tiny, workers, persistent_workers=workers == 3))
    entry = report.of(loader, "", None)
    assert entry.verified_batches == (5 if workers == 3 else 10) and not entry.mismatches


def break_table(monkeypatch):
    """From now on plans are made with one wrong entry in the table, and not proved."""
    stock_open = plan.Plan._open

    def wrong(self, ops):
        recipe = self.recipe
        table = bytearray(recipe.table)
        table[4 * 100] ^= 1
        object.__setattr__(recipe, "table", bytes(table))
        return stock_open(self, ops)

    monkeypatch.setattr(plan.Plan, "_open", wrong)
    monkeypatch.setattr(plan, "_prove", lambda *arguments: None)
    forget(monkeypatch)


def break_states(monkeypatch):
    """States of the second batch on are off by one word."""
    stock_states = iterate.Engine.states_of
    calls = []

    def wrong(self, entry):
        before, after = stock_states(self, entry)
        calls.append(1)
        if len(calls) > 1:
            after.next += 1
        return before, after

    monkeypatch.setattr(iterate.Engine, "states_of", wrong)


def forget(monkeypatch):
    from dlop import transforms

    monkeypatch.setattr(plan, "_plans", {})
    monkeypatch.setattr(transforms, "_recipes", {})


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("fault", [break_table, break_states])
def test_difference_is_said_and_the_script_goes_on_with_its_own(
    tiny, monkeypatch, capfd, fault, workers
):
    """The batch that differs is already the script's own, and so is all that follows."""

    def make():
        return make_loader(tiny, workers, persistent_workers=workers == 3)

    seed()
    wanted = record(make())
    monkeypatch.setenv("DLOP_VERIFY", "1000")
    fault(monkeypatch)
    seed()
    loader = dlop.accelerate(make())
    made = record(loader)
    assert made == wanted
    assert tier_of(loader) == "C" and "verification: batch" in reason_of(loader)
    mismatches = report.of(loader, "", None).mismatches
    assert len(mismatches) == 1 and mismatches[0]["batch"] == (0 if fault is break_table else 1)
    assert "verification" in capfd.readouterr().err


def test_self_test_refuses_a_wrong_plan(tiny, monkeypatch):
    stock_open = plan.Plan._open

    def wrong(self, ops):
        return stock_open(self, [op for op in ops if op.kind != _lib.OP_FLIP_X])

    monkeypatch.setattr(plan.Plan, "_open", wrong)
    forget(monkeypatch)
    loader = compare(lambda: make_loader(tiny, 0), tier="B")
    assert "self-test of this pipeline" in reason_of(loader)


def test_self_test_refuses_a_wrong_state(tiny, monkeypatch):
    """Pixels are right, one random word too many is taken."""
    stock_run = plan.Plan.run

    def wrong(self, state, *arguments):
        made = stock_run(self, state, *arguments)
        _lib.lib().dlop_rng_seed64(state)
        return made

    monkeypatch.setattr(plan.Plan, "run", wrong)
    forget(monkeypatch)
    compare(lambda: make_loader(tiny, 0), tier="B")


def test_unknown_exp_means_a_lower_tier(tiny, monkeypatch):
    from dlop import probe

    def fails(rules):
        raise probe.ProbeFailed("torch.exp follows no known rule")

    monkeypatch.setattr(probe, "_probe_exp", fails)
    probe.draw_rules.cache_clear()
    forget(monkeypatch)
    try:
        loader = compare(lambda: make_loader(tiny, 0), tier="B")
        assert "torch.exp follows no known rule" in reason_of(loader)
    finally:
        probe.draw_rules.cache_clear()


def test_internal_error_leaves_the_script_alone(tiny, monkeypatch):
    from dlop import job

    def fails(*arguments):
        raise ZeroDivisionError("a fault of ours")

    monkeypatch.setattr(job, "prepare", fails)
    loader = compare(lambda: make_loader(tiny, 2), tier="C")
    assert "internal error" in reason_of(loader) and "a fault of ours" in reason_of(loader)


def test_missing_library(tiny, monkeypatch):
    monkeypatch.setenv("DLOP_LIBRARY", "/nowhere/libdlop.so")
    _lib.lib.cache_clear()
    try:
        loader = compare(lambda: make_loader(tiny, 0), tier="C")
        assert "/nowhere/libdlop.so" in reason_of(loader)
    finally:
        _lib.lib.cache_clear()


def test_wrong_option(tiny, capfd, monkeypatch):
    monkeypatch.setenv("DLOP_THREADS", "abc")
    loader = compare(lambda: make_loader(tiny, 0), tier="C")
    assert reason_of(loader).startswith('DLOP_THREADS: "abc" is not a value')
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("dlop: ")]
    assert lines and all("DLOP_THREADS" in line for line in lines)


def test_line_of_a_loader(tiny, capfd, monkeypatch):
    monkeypatch.setenv("DLOP_THREADS", "2")
    loader = dlop.accelerate(make_loader(tiny, 0))
    for _ in range(2):
        next(iter(loader))
    lines = [line for line in capfd.readouterr().err.splitlines() if line.startswith("dlop: ")]
    number, n = report.of(loader, "", None).number, len(loader.dataset)
    wanted = f"dlop: loader {number} (ImageFolder, {n} records): tier A on cpu, 2 threads"
    assert lines == [wanted]


def test_report_file(tiny, tmp_path):
    name = script.write(
        tmp_path,
        "train.py",
        """
        class Squares(Dataset):
            def __len__(self):
                return 4

            def __getitem__(self, k):
                return k * k

        torch.manual_seed(3)
        digest(loader(sys.argv[1], shuffle=True))
        list(DataLoader(Squares()))
        """,
    )
    path = tmp_path / "report.json"
    for _ in range(2):  # the second run replaces what the first wrote
        child = script.run(
            [sys.executable, name, str(tiny)],
            DLOP_REPORT=str(path),
            DLOP_VERIFY="2",
            DLOP_HELLO=str(_),
        )
        assert child.returncode == 0, child.stderr
    made = json.loads(path.read_text())
    assert made["schema"] == "dlop.report/1" and len(made["processes"]) == 1
    first, second = made["processes"][0]["loaders"]
    assert (first["tier"], first["device"], first["dataset"]) == ("A", "cpu", "ImageFolder")
    assert first["samples"] == first["records"] and first["verified_batches"] == 2
    assert (second["tier"], second["records"]) == ("B", 4) and "Squares" in second["reason"]
    assert made["processes"][0]["metrics"]


def test_states_are_copies():
    """A state that is advanced leaves its copy alone."""
    state = rng.seeded(5)
    twin = rng.copy(state)
    _lib.lib().dlop_rng_seed64(state)
    assert not rng.same(state, twin) and rng.same(twin, rng.seeded(5))
