"""NVIDIA DALI on the CPU, with its decoder that decodes only the random crop. The reader shuffles,
one pipeline thread per core; arrays are handed over without a copy."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from . import MEAN, SIZE_PX, STD, Job

TITLE = "NVIDIA DALI on the CPU, fused crop decode"
NEEDS = ("nvidia.dali",)
PACKAGES = ("nvidia-dali-cuda130", "nvidia-dali-cuda120")
INSTALL = "pip install nvidia-dali-cuda130"


def _pictures(job: Job, encoded: Any) -> tuple[Any, Any]:
    """Cropped or whole pictures, and whether to mirror each."""
    from nvidia.dali import fn

    if job.is_fixed:
        return fn.decoders.image(encoded, device="cpu"), 0
    crop = fn.decoders.image_random_crop(
        encoded,
        device="cpu",
        random_area=[0.08, 1.0],
        random_aspect_ratio=[3 / 4, 4 / 3],
        num_attempts=10,
    )
    return crop, fn.random.coin_flip(probability=0.5)


def open_epochs(job: Job) -> Callable[[], Iterator[Any]]:
    from nvidia.dali import fn, pipeline_def, types

    @pipeline_def(
        batch_size=job.batch_size,
        num_threads=job.cores,
        device_id=None,
        seed=job.seed,
        prefetch_queue_depth=2,
    )
    def build() -> Any:
        encoded, _ = fn.readers.file(
            files=[path for path, _ in job.samples],
            labels=[target for _, target in job.samples],
            random_shuffle=not job.is_fixed,
            initial_fill=1024,
            name="files",
        )
        pictures, mirror = _pictures(job, encoded)
        resized = fn.resize(
            pictures,
            size=[SIZE_PX, SIZE_PX],
            interp_type=types.INTERP_LINEAR,
            antialias=True,
        )
        return fn.crop_mirror_normalize(
            resized,
            dtype=types.FLOAT,
            output_layout="CHW",
            mean=[255 * value for value in MEAN],
            std=[255 * value for value in STD],
            mirror=mirror,
        )

    pipeline = build()
    pipeline.build()

    def epoch() -> Iterator[Any]:
        left = len(job.samples)
        while left > 0:
            (batch,) = pipeline.run()
            yield batch.as_array()[:left]
            left -= job.batch_size

    return epoch
