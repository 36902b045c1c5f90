"""Pixels of bound plans equal the installed Pillow's and torchvision's, on photographs."""

import os
import pathlib
import subprocess
import sys

import pixels
import pytest

FOLDER = pathlib.Path(__file__).parent
DEBIAN_PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def session():
    return pixels.Session(20)


@pytest.mark.parametrize("check", pixels.CHECKS, ids=lambda check: check.__name__[6:])
def test_pixels(check, session):
    check(session)


def run_checks(python, repeats, **variables):
    done = subprocess.run(
        [python, FOLDER / "pixels.py", str(repeats)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{len(pixels.CHECKS)} checks" in done.stdout
    return done.stdout


@pytest.mark.full
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_pixels_under_capability(capability):
    run_checks(sys.executable, 6, ATEN_CPU_CAPABILITY=capability)


@pytest.mark.full
def test_pixels_of_debian_pillow():
    """Pillow 9.4, whose resize always begins with x."""
    probe = subprocess.run(
        [DEBIAN_PYTHON, "-c", "import torch, torchvision"], capture_output=True, text=True
    )
    if probe.returncode:
        pytest.skip("torch1: Debian's python3-torchvision is not installed")
    assert "pass rule 0" in run_checks(DEBIAN_PYTHON, 6)
