"""The matrix under other sets of PyTorch and Pillow: what differs between them is found by probes.

Debian's own set is used where its interpreter has torch; other Pillows are installed once with pip
into folders of the build and put in front of this interpreter's path.
"""

import os
import pathlib
import subprocess
import sys

import pytest
import script
from conftest import PACKAGE, ROOT

HERE = pathlib.Path(__file__).resolve().parent
DEBIAN_PYTHON = "/usr/bin/python3"
PILLOWS = ["11.3.0", "12.3.0"]
EVERY = 7  # rows

pytestmark = pytest.mark.full


def run_matrix(python, tiny, *paths):
    values = script.environment(False)
    values["PYTHONPATH"] = os.pathsep.join([*map(str, paths), str(PACKAGE), str(HERE)])
    child = subprocess.run(
        [python, "-W", "ignore", str(HERE / "matrix.py"), str(tiny), str(EVERY)],
        env=values,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert child.returncode == 0, child.stdout[-1500:] + child.stderr[-1500:]
    assert "rows equal" in child.stdout
    return child.stdout


def test_debian(tiny):
    code = "import torch, torchvision, numpy, PIL"
    probe = subprocess.run([DEBIAN_PYTHON, "-c", code], capture_output=True, timeout=120)
    if probe.returncode:
        pytest.skip("debian-torch: python3-torch and python3-torchvision are not installed")
    run_matrix(DEBIAN_PYTHON, tiny)


@pytest.mark.parametrize("version", PILLOWS)
def test_pillow(tiny, version):
    folder = ROOT / "build" / f"pillow-{version}"
    if not (folder / "PIL").is_dir():
        command = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target"]
        child = subprocess.run(
            [*command, str(folder), f"Pillow=={version}"], capture_output=True, text=True
        )
        if child.returncode:
            pytest.skip(f"pypi: pip cannot install Pillow {version}: {child.stderr[-200:]}")
    assert f"Pillow {version}" in run_matrix(sys.executable, tiny, folder)
