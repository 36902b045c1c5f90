"""The pipelines that `dlop bench loader` and `train` know: datasets, transforms and collate
functions as a script would write them.

Key idea: one table, so that each kind of job is one word on the command line. Not here: peers,
which have pipelines of their own, and measuring.
"""

from __future__ import annotations

import argparse
import functools
import os
from collections.abc import Callable
from typing import Any, NamedTuple

from . import report

_MEAN, _STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)


class Pipeline(NamedTuple):
    """What a script does to its samples. make: the transform; dataset: "files", "tensors" (files
    decoded by torchvision) or "cifar"."""

    title: str
    make: Callable[[], Any]
    dataset: str = "files"
    collate: Callable[[Any], Any] | None = None


def _v1() -> Any:
    from torchvision import transforms as v1

    crop = [v1.RandomResizedCrop(224), v1.RandomHorizontalFlip()]
    return v1.Compose([*crop, v1.ToTensor(), v1.Normalize(_MEAN, _STD)])


def _v2(is_tensor: bool) -> Any:
    import torch
    from torchvision.transforms import v2

    crop = [v2.RandomResizedCrop(224, antialias=True), v2.RandomHorizontalFlip()]
    tail = [v2.ToDtype(torch.float32, scale=True), v2.Normalize(_MEAN, _STD)]
    return v2.Compose([*crop, *([] if is_tensor else [v2.ToImage()]), *tail])


def _evaluation() -> Any:
    from torchvision import transforms as v1

    crop = [v1.Resize(256), v1.CenterCrop(224)]
    return v1.Compose([*crop, v1.ToTensor(), v1.Normalize(_MEAN, _STD)])


def _bytes() -> Any:
    from torchvision import transforms as v1

    return v1.Compose([v1.RandomResizedCrop(224), v1.RandomHorizontalFlip(), v1.PILToTensor()])


def stack_nhwc(samples: Any) -> Any:
    """uint8 [n][h][w][c], as the pictures lie in memory, and the classes."""
    import torch

    images = torch.stack([image.permute(1, 2, 0) for image, _ in samples])
    return images, torch.tensor([target for _, target in samples])


def _cifar() -> Any:
    from torchvision import transforms as v1

    crop = [v1.RandomCrop(32, padding=4), v1.RandomHorizontalFlip()]
    return v1.Compose([*crop, v1.ToTensor(), v1.Normalize(_CIFAR_MEAN, _CIFAR_STD)])


_CROP = "RandomResizedCrop(224), flip, normalise"
PIPELINES = {
    "v1": Pipeline(_CROP, _v1),
    "v2": Pipeline(_CROP + ", v2", functools.partial(_v2, False)),
    "v2-tensor": Pipeline(_CROP + ", v2 on tensors", functools.partial(_v2, True), "tensors"),
    "evaluation": Pipeline("Resize(256), CenterCrop(224), normalise", _evaluation),
    "u8-nhwc": Pipeline("RandomResizedCrop(224), flip, bytes", _bytes, collate=stack_nhwc),
    "cifar": Pipeline("CIFAR-10, RandomCrop(32, 4), flip, normalise", _cifar, "cifar"),
}


def _open_cifar(folder: str, transform: Any) -> Any:
    from torchvision.datasets import CIFAR10

    # A set in CIFAR's form may hold other pictures than those whose digests the class knows.
    CIFAR10.train_list = [[name, None] for name, _ in CIFAR10.train_list]
    CIFAR10.test_list = [[name, None] for name, _ in CIFAR10.test_list]
    CIFAR10.meta = {**CIFAR10.meta, "md5": None}
    return CIFAR10(folder, transform=transform)


def _open_files(folder: str, transform: Any, is_tensor: bool) -> Any:
    from torchvision.datasets import ImageFolder

    if not is_tensor:
        return ImageFolder(folder, transform)
    from torchvision.io import ImageReadMode, read_image

    loader = functools.partial(read_image, mode=ImageReadMode.RGB)
    return ImageFolder(folder, transform, loader=loader)


def open_dataset(options: argparse.Namespace) -> Any:
    """Photographs and pipeline as a script would have them."""
    from torch.utils.data import Subset

    pipeline = PIPELINES[options.pipeline]
    if pipeline.dataset == "cifar":
        dataset = _open_cifar(options.data, pipeline.make())
    else:
        dataset = _open_files(options.data, pipeline.make(), pipeline.dataset == "tensors")
    n = min(options.limit or len(dataset), len(dataset))
    step = len(dataset) / n  # spread over the classes
    indices = [int(k * step) for k in range(n)] * options.repeat
    return Subset(dataset, indices) if len(indices) != len(dataset) else dataset


def open_loader(dataset: Any, options: argparse.Namespace, is_dlop: bool) -> Any:
    """The script's DataLoader, or the same one attached to DLOP."""
    from torch.utils.data import DataLoader

    from .hook import accelerate

    report.is_quiet = True
    loader = DataLoader(
        dataset,
        batch_size=options.batch_size,
        shuffle=True,
        num_workers=options.cores,
        collate_fn=PIPELINES[options.pipeline].collate,
    )
    return accelerate(loader) if is_dlop else loader


def samples_of(dataset: Any) -> list[tuple[str, int]]:
    """Path and class of each record of open_dataset; empty where they are no files."""
    inner = getattr(dataset, "dataset", dataset)
    indices = getattr(dataset, "indices", range(len(inner)))
    return [inner.samples[k] for k in indices] if hasattr(inner, "samples") else []


def mean_bytes(dataset: Any) -> int:
    """Of a file, or of a picture in memory."""
    samples = samples_of(dataset)
    if samples:
        return round(sum(os.path.getsize(path) for path, _ in samples) / len(samples))
    pictures = getattr(dataset, "dataset", dataset).data
    return int(pictures[0].nbytes)
