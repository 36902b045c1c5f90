"""FFCV in its jpg mode: one file that holds the photographs' own JPEG bytes, decoded and cropped by
compiled code in threads. Its writer would encode every picture again at quality 90; the bytes are
put in unchanged here, so that all contestants decode the same."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterator
from typing import Any

from . import MEAN, SIZE_PX, STD, Job

TITLE = "FFCV, jpg mode with the files' own bytes"
NEEDS = ("ffcv",)
PACKAGES = ("ffcv", "numba")
INSTALL = "pip install ffcv (a compiler, pkg-config, libopencv-dev, libturbojpeg0-dev)"

_STOP_S = 10.0


class _Samples:
    def __init__(self, samples: list[tuple[str, int]]) -> None:
        self.samples = samples

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, index: int) -> tuple[str, int]:
        return self.samples[index]


def _write(job: Job, path: str) -> None:
    """The samples as one file in FFCV's form."""
    import ffcv.writer
    import numpy
    from ffcv.fields import IntField, RGBImageField
    from ffcv.fields.rgb_image import IMAGE_MODES
    from ffcv.writer import DatasetWriter
    from PIL import Image

    def encode(_: Any, destination: Any, source: str, allocate: Any) -> None:
        with open(source, "rb") as file:
            data = numpy.frombuffer(file.read(), dtype=numpy.uint8)
        with Image.open(source) as picture:
            destination["width"], destination["height"] = picture.size
        destination["mode"] = IMAGE_MODES["jpg"]
        destination["data_ptr"], storage = allocate(data.nbytes)
        storage[:] = data

    own, RGBImageField.encode = RGBImageField.encode, encode
    bar = ffcv.writer.tqdm
    ffcv.writer.tqdm = functools.partial(bar, disable=True)
    try:
        fields = {"image": RGBImageField(write_mode="jpg"), "label": IntField()}
        writer = DatasetWriter(path, fields, num_workers=job.cores)
        writer.from_indexed_dataset(_Samples(job.samples))
    finally:
        RGBImageField.encode, ffcv.writer.tqdm = own, bar


def _whole_box(height: int, width: int, _: Any, __: Any) -> tuple[int, int, int, int]:
    return 0, 0, height, width


def _pipeline(job: Job) -> list[Any]:
    import numpy
    from ffcv.fields.rgb_image import CenterCropRGBImageDecoder, RandomResizedCropRGBImageDecoder
    from ffcv.transforms import NormalizeImage, RandomHorizontalFlip, ToTensor, ToTorchImage

    class WholeDecoder(CenterCropRGBImageDecoder):
        @property
        def get_crop_generator(self) -> Callable[..., Any]:
            return _whole_box

    size = (SIZE_PX, SIZE_PX)
    crop = [RandomResizedCropRGBImageDecoder(size), RandomHorizontalFlip()]
    if job.is_fixed:
        crop = [WholeDecoder(size, ratio=1.0)]
    mean, std = (numpy.array(values) * 255 for values in (MEAN, STD))
    return [*crop, NormalizeImage(mean, std, numpy.float32), ToTensor(), ToTorchImage()]


def open_epochs(job: Job) -> Callable[[], Iterator[Any]]:
    from ffcv.loader import Loader, OrderOption

    path = os.path.join(job.scratch, "photographs.beton")
    if not os.path.exists(path):
        _write(job, path)
    loader = Loader(
        path,
        batch_size=job.batch_size,
        num_workers=job.cores,
        order=OrderOption.SEQUENTIAL if job.is_fixed else OrderOption.RANDOM,
        os_cache=True,
        drop_last=False,
        seed=job.seed,
        pipelines={"image": _pipeline(job), "label": None},
    )

    def epoch() -> Iterator[Any]:
        iterator = iter(loader)
        try:
            for batch in iterator:
                yield batch[0]
        finally:  # an epoch that was left early would be worked on beside the next one
            iterator.terminate_event.set()
            iterator.join(_STOP_S)

    return epoch
