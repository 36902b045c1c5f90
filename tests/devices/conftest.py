"""What the tests of devices share: the command, which devices are there, trainings."""

import functools
import json
import os
import pathlib
import signal
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
DLOP = os.environ.get("DLOP_COMMAND", str(ROOT / "build/dlop"))
SWEMU = str(ROOT / "sim/swemu/run")
TRAIN = str(pathlib.Path(__file__).with_name("train.py"))
PHOTOS = ROOT / "build/photos/tiny/train"

pytest.importorskip("torch", reason="torch: PyTorch is not installed")
pytest.importorskip("torchvision", reason="torch: torchvision is not installed")
if not (ROOT / "build/photos/tiny/stats.json").is_file():
    pytest.skip("photos: make photos cuts them", allow_module_level=True)


def environment(**values):
    made = {k: v for k, v in os.environ.items() if not k.startswith("DLOP_")}
    return {**made, **values}


def command(*arguments, on_card=False, limit_s=120, **values):
    """Completed process; on_card: with emulated cards for XRT. One that takes too long is ended
    with all its children."""
    words = [*([SWEMU] if on_card else []), *map(str, arguments)]
    process = subprocess.Popen(
        words,
        env=environment(**values),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        out, err = process.communicate(timeout=limit_s)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return subprocess.CompletedProcess(words, process.returncode, out, err)


@functools.cache
def missing(device):
    """Why a device cannot be used here, or None."""
    on_card = device == "xrt"
    done = command(DLOP, "devices", "--json", on_card=on_card)
    if done.returncode != 0:
        return f"dlop devices ends with {done.returncode}: {done.stderr[-200:].strip()}"
    found = {row["name"]: row for row in json.loads(done.stdout)["devices"]}
    return None if found[device]["present"] else found[device]["missing"]


def need(devices):
    """Skip where one of these ("sim,ocl") is not there."""
    for device in devices.split(","):
        why = missing(device)
        if why is not None:
            pytest.skip(f"{device}: {why}")


def train(cases, *prefix, **options):
    """Results of train.py, one per case, and the completed process."""
    done = command(*prefix, sys.executable, TRAIN, PHOTOS, json.dumps(cases), **options)
    assert done.returncode == 0, done.stderr[-3000:]
    made = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(made) == len(cases)
    return made, done


@pytest.fixture(scope="session")
def plain():
    """Losses and weights of the script alone, without DLOP."""
    (made,), _ = train([{}])
    assert made.pop("devices") is None
    assert len(made["losses"]) == 16
    assert len(set(made["losses"])) > 8
    return made
