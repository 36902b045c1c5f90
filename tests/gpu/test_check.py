"""The check for machines with a GPU, as far as it goes without one: it passes, and it can fail."""

import json
import os
import pathlib
import stat
import subprocess
import sys

import pytest

pytest.importorskip("torch", reason="torch: PyTorch is not installed")
pytest.importorskip("torchvision", reason="torch: torchvision is not installed")

ROOT = pathlib.Path(__file__).resolve().parents[2]
DLOP = os.environ.get("DLOP_COMMAND", str(ROOT / "build" / "release" / "dlop"))
PHOTOS = ROOT / "build" / "photos" / "tiny" / "train"


def check(command):
    if not PHOTOS.is_dir():
        pytest.skip(f"photos: {PHOTOS} is missing, make photos cuts it")
    options = ["--cpu-dry-run", "--quick", "--dlop", command, "--data", PHOTOS]
    done = subprocess.run(
        [sys.executable, ROOT / "tests" / "gpu" / "check.py", *options],
        capture_output=True,
        text=True,
        timeout=250,
    )
    return done.returncode, json.loads(done.stdout), done.stderr


def failed(result):
    return [entry["name"] for entry in result["checks"] if not entry["ok"]]


@pytest.mark.full
def test_passes():
    status, result, errors = check(DLOP)
    assert failed(result) == [], errors[-3000:]
    assert status == 0 and result["ok"] and result["schema"] == "dlop.gpu-check/1"
    assert result["rates"][0]["dlop"] > 0


@pytest.mark.long
def test_fails_where_nothing_is_attached(tmp_path):
    command = tmp_path / "dlop"
    command.write_text('#!/bin/sh\nshift\nexec "$@"\n')
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    status, result, _ = check(str(command))
    assert status == 1 and not result["ok"]
    assert "batches, pinned" in failed(result)
