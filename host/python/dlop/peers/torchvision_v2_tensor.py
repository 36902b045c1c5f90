"""torchvision.io.decode_image and v2 on uint8 tensors: torchvision's fastest form on the CPU."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import Job, torchvision_v2

TITLE = "torchvision v2 on tensors (decode_image)"
NEEDS = ("torchvision.transforms.v2",)
PACKAGES = ("torchvision",)
INSTALL = "pip install torchvision"


def _read(path: str) -> Any:
    from torchvision.io import ImageReadMode, decode_image, read_file

    return decode_image(read_file(path), mode=ImageReadMode.RGB)


def open_epochs(job: Job) -> Callable[[], Iterator[Any]]:
    from . import files

    return files.open_epochs(job, _read, torchvision_v2.transform(job))
