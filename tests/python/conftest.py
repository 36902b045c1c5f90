"""Paths and pictures that the tests of the PyTorch attachment share."""

import os
import pathlib
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "host" / "python"
BOOT = PACKAGE / "boot"

sys.path.insert(0, str(PACKAGE))
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
os.environ.setdefault("DLOP_LIBRARY", str(ROOT / "build" / "libdlop.so"))
for name in ("DLOP_VERIFY", "DLOP_REPORT", "DLOP_ON_ERROR", "DLOP_HELLO", "DLOP_THREADS"):
    os.environ.pop(name, None)

torch = pytest.importorskip("torch", reason="torch: PyTorch is not installed")
pytest.importorskip("torchvision", reason="torch: torchvision is not installed")


def photos(name):
    """Folder of a photo set, or a skip."""
    folder = ROOT / "build" / "photos" / name
    if not (folder / "stats.json").is_file():
        pytest.skip(f"photos: {folder} is missing, make photos cuts it")
    return folder


@pytest.fixture(scope="session")
def tiny():
    """80 small photographs in 11 classes: 4:4:4, 4:2:0, 4:2:2 and grey."""
    return photos("tiny") / "train"


@pytest.fixture(scope="session")
def middle():
    """120 photographs of quality 90, 4:2:0."""
    return photos("q90-420") / "train"


@pytest.fixture(scope="session")
def cifar():
    """Arrays of small pictures, as CIFAR's files hold them."""
    return photos("cifar")
