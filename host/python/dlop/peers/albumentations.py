"""OpenCV decoding and albumentations: the usual pair without Pillow. OpenCV's own threads are off,
as both projects advise inside loader workers; bilinear without antialiasing is their default."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

from . import MEAN, SIZE_PX, STD, Job

TITLE = "OpenCV + albumentations"
NEEDS = ("cv2", "albumentations")
PACKAGES = ("opencv-python-headless", "opencv-python", "albumentations")
INSTALL = "pip install opencv-python-headless albumentations"


def _read(path: str) -> Any:
    import cv2

    return cv2.imread(path, cv2.IMREAD_COLOR_RGB)


def _worker_init(_: int) -> None:
    import cv2

    cv2.setNumThreads(0)


def open_epochs(job: Job) -> Callable[[], Iterator[Any]]:
    os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")  # its import would ask a server
    import albumentations as A
    from albumentations.pytorch import ToTensorV2

    from . import files

    size = (SIZE_PX, SIZE_PX)
    crop = [A.RandomResizedCrop(size), A.HorizontalFlip(p=0.5)]
    if job.is_fixed:
        crop = [A.Resize(*size)]
    compose = A.Compose([*crop, A.Normalize(MEAN, STD), ToTensorV2()], seed=job.seed)

    def transform(pixels: Any) -> Any:
        return compose(image=pixels)["image"]

    return files.open_epochs(job, _read, transform, worker_init_fn=_worker_init)
