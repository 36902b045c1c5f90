"""Other loaders that `dlop bench loader --peers` measures: one module each, used when installed.

Key idea: a peer is any importable module with the names below; the table lists those that come
with the package, and a name with a dot is a module of the user's own.

    TITLE     what it is, in one line
    NEEDS     modules that must be importable
    PACKAGES  distributions whose versions belong beside the figures
    INSTALL   the command that installs it
    lacks()   (where present) what else is missing, in a few words, or an empty text
    versions()   (where present) versions that are not those of distributions
    open_epochs(job) -> callable; each call of it returns an iterator over one epoch's batches:
              arrays float32 [n][3][224][224] of RandomResizedCrop(224), flip and normalise

A peer is imported and run only in a measured child. Not here: measuring (`bench_loader.py`).
"""

from __future__ import annotations

import importlib
import importlib.util
from types import ModuleType
from typing import NamedTuple

NAMES = (
    *("torchvision-v2", "torchvision-v2-tensor", "albumentations", "dali", "ffcv", "spdl"),
    "libjpeg-turbo",
)
SIZE_PX = 224
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


class Job(NamedTuple):
    """What every peer is asked for."""

    samples: list[tuple[str, int]]  # path, class
    batch_size: int
    cores: int  # the process is pinned to as many
    seed: int
    is_fixed: bool  # in order, whole pictures resized to 224 x 224, no flip: to compare pixels
    scratch: str  # folder for a data set in the peer's own form, kept until the last round


def load(name: str) -> ModuleType:
    """The module of a peer. ValueError: there is none of this name, or it lacks something."""
    module = name if "." in name else f"{__name__}.{name.replace('-', '_')}"
    if "." not in name and name not in NAMES:
        raise ValueError(f"no peer is called {name}: {', '.join(NAMES)}, or a module's dotted name")
    try:
        loaded = importlib.import_module(module)
    except ImportError as error:
        raise ValueError(f"peer {name}: {error}") from error
    wanted = ("TITLE", "NEEDS", "PACKAGES", "INSTALL", "open_epochs")
    lacking = [attribute for attribute in wanted if not hasattr(loaded, attribute)]
    if lacking:
        raise ValueError(f"peer {name} lacks {', '.join(lacking)}")
    return loaded


def missing(peer: ModuleType) -> str:
    """The first needed module that is not installed, what else it lacks, or an empty text."""
    for module in peer.NEEDS:
        try:
            if importlib.util.find_spec(module) is None:
                return f"module {module}"
        except ImportError:  # its parent package is not there
            return f"module {module}"
    return peer.lacks() if hasattr(peer, "lacks") else ""
