"""torchvision.transforms.v2 on Pillow pictures, the form that its own documentation starts with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import MEAN, SIZE_PX, STD, Job

TITLE = "torchvision v2 on Pillow pictures"
NEEDS = ("torchvision.transforms.v2",)
PACKAGES = ("torchvision", "pillow")
INSTALL = "pip install torchvision"


def _read(path: str) -> Any:
    from PIL import Image

    with Image.open(path) as picture:
        return picture.convert("RGB")


def transform(job: Job) -> Any:
    """The pipeline for Pillow pictures and for tensors."""
    import torch
    from torchvision.transforms import v2

    size = (SIZE_PX, SIZE_PX)
    crop = [v2.RandomResizedCrop(SIZE_PX, antialias=True), v2.RandomHorizontalFlip()]
    if job.is_fixed:
        crop = [v2.Resize(size, antialias=True)]
    tail = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    return v2.Compose([*crop, *tail])


def open_epochs(job: Job) -> Callable[[], Iterator[Any]]:
    from . import files

    return files.open_epochs(job, _read, transform(job))
