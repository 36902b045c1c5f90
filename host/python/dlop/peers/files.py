"""What peers on torch's DataLoader share: a dataset of files and epochs of a loader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch.utils.data

from . import Job


class Files(torch.utils.data.Dataset):
    """transform(read(path)) of each sample."""

    def __init__(self, job: Job, read: Callable[[str], Any], transform: Callable[[Any], Any]):
        self.samples, self.read, self.transform = job.samples, read, transform

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[Any, int]:
        path, target = self.samples[index]
        return self.transform(self.read(path)), target


def open_epochs(
    job: Job, read: Callable[[str], Any], transform: Callable[[Any], Any], **options: Any
) -> Callable[[], Iterator[Any]]:
    """Epochs of a DataLoader with one worker per core."""
    loader = torch.utils.data.DataLoader(
        Files(job, read, transform),
        batch_size=job.batch_size,
        shuffle=not job.is_fixed,
        num_workers=job.cores,
        **options,
    )

    def epoch() -> Iterator[Any]:
        for images, _ in loader:
            yield images

    return epoch
