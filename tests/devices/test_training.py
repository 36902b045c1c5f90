"""Trainings on every device, on two at once, and on devices that fail: the same bits as without."""

import json
import sys

import pytest
from conftest import DLOP, PHOTOS, ROOT, command, need, train

pytestmark = pytest.mark.full
RECORDS = 2 * 64


def bits(made):
    return {key: made[key] for key in ("losses", "weights")}


def by_name(devices):
    return {row["device"]: row for row in devices["devices"]}


def events_of(devices, device):
    return {event["kind"] for event in devices["events"] if event["device"] == device}


@pytest.mark.parametrize("devices", ["sim", "ocl", "xrt", "sim,cpu", "sim,ocl"])
def test_training_gives_the_same_bits(plain, tmp_path, devices):
    need(devices)
    report = tmp_path / "report.json"
    prefix = [DLOP, "run", "--device", devices, "--report", report]
    (made,), done = train([{}], *prefix, on_card="xrt" in devices)
    assert bits(made) == plain
    assert f"tier A on {devices}" in done.stderr
    assert "devices: " in done.stderr
    told = json.loads(report.read_text())["processes"][0]["devices"][0]
    assert told["device"] == devices
    rows = by_name(told)
    assert sum(row["records"] for row in rows.values()) == RECORDS
    for name in devices.split(","):
        assert rows[name]["records"] > 0
        assert not rows[name]["stands_by"]
        assert rows[name]["losses"] == rows[name]["replayed"] == 0
    assert rows["cpu"]["stands_by"] == ("cpu" not in devices)


def test_a_forked_child_opens_devices_of_its_own(plain):
    need("sim")
    made, _ = train([{}, {"fork": True}], DLOP, "run", "--device", "sim")
    for one in made:
        assert bits(one) == plain
        assert by_name(one["devices"])["sim"]["records"] == RECORDS


# Settings of the emulated card, and what the group tells of it.
FAULTS = {
    "lost=0.2,seed=5": {"lost", "replayed"},
    "late=0.5,late_ms=40": set(),
    "duplicate=0.5": {"healed"},
    "corrupt=0.2,seed=4": {"wrong", "replayed"},
    "wrong_status=0.2,seed=4": {"wrong", "replayed"},
    "bit_flip=0.5": set(),
    "double_flip=0.2,seed=4": {"replayed"},
    "slow=0.5,slow_ms=20": set(),
    "gone_after=6": {"lost", "replayed"},
    "gone_after=6,back_after=3": {"lost", "replayed"},
}


@pytest.fixture(scope="module")
def faulty():
    """Trainings on the emulated card with each fault: all in one process, to be quick."""
    need("sim")
    cases = [
        {"environment": {"DLOP_DEVICE": "sim", "DLOP_SIM": fault, "DLOP_DEVICE_TIMEOUT": "1"}}
        for fault in FAULTS
    ]
    made, done = train(cases, DLOP, "run")
    return dict(zip(FAULTS, made, strict=True)), done


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_change_no_bit_and_are_told(plain, faulty, fault):
    made, done = faulty[0][fault], faulty[1]
    assert bits(made) == plain
    rows = by_name(made["devices"])
    assert rows["sim"]["records"] + rows["cpu"]["records"] == RECORDS
    assert events_of(made["devices"], "sim") >= FAULTS[fault]
    assert (rows["cpu"]["records"] > 0) == ("replayed" in FAULTS[fault])
    for kind in FAULTS[fault] - {"healed"}:
        assert f"device sim {kind}" in done.stderr


def test_a_card_killed_in_mid_epoch_ends_in_the_same_weights(plain, tmp_path):
    need("xrt")
    report = tmp_path / "report.json"
    prefix = [DLOP, "run", "--device", "xrt", "--report", report]
    (made,), done = train([{"kill_at": 5}], *prefix, on_card=True)
    assert bits(made) == plain
    told = json.loads(report.read_text())["processes"][0]["devices"][0]
    rows = by_name(told)
    assert rows["xrt"]["losses"] >= 1
    assert rows["xrt"]["records"] > 0
    assert rows["cpu"]["records"] > 0
    assert {"lost", "replayed"} <= events_of(told, "xrt")
    assert "device xrt lost" in done.stderr


@pytest.fixture(scope="module")
def demonstration():
    """What the demonstration's script prints at its end, without DLOP."""
    return result_of_demonstration()


def result_of_demonstration(*prefix, **options):
    script = [sys.executable, ROOT / "tests/demo/train.py"]
    done = command(*prefix, *script, "--data", PHOTOS.parent, "--workers", "1", **options)
    assert done.returncode == 0, done.stderr[-3000:]
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    result = json.loads(line.removeprefix("RESULT "))
    return {key: result[key] for key in ("images", "losses", "weights")}, done.stderr


@pytest.mark.parametrize("device", ["sim", "ocl", "xrt"])
def test_demonstration_on_every_device(demonstration, device):
    need(device)
    prefix = [DLOP, "run", "--device", device]
    result, said = result_of_demonstration(*prefix, on_card=device == "xrt")
    assert result == demonstration[0]
    assert f"tier A on {device}" in said
    assert f"devices: {device} " in said
