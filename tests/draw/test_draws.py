"""Draws equal the framework's, values and generator state, under each capability of the CPU."""

import os
import pathlib
import subprocess
import sys

import checks
import pytest

FOLDER = pathlib.Path(__file__).parent
DEBIAN_PYTHON = "/usr/bin/python3"


@pytest.fixture(scope="module")
def session():
    return checks.Session(500)


@pytest.mark.parametrize("check", checks.CHECKS, ids=lambda check: check.__name__[6:])
def test_draws(check, session):
    check(session)


def run_checks(python, repeats, **variables):
    done = subprocess.run(
        [python, FOLDER / "checks.py", str(repeats)],
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert f"{len(checks.CHECKS)} checks" in done.stdout


@pytest.mark.full
@pytest.mark.parametrize("capability", ["default", "avx2"])
def test_draws_under_capability(capability):
    run_checks(sys.executable, 200, ATEN_CPU_CAPABILITY=capability)


@pytest.mark.full
def test_draws_of_debian_torch():
    probe = subprocess.run(
        [DEBIAN_PYTHON, "-c", "import torch, torchvision"], capture_output=True, text=True
    )
    if probe.returncode:
        pytest.skip("torch1: Debian's python3-torchvision is not installed")
    run_checks(DEBIAN_PYTHON, 100)
