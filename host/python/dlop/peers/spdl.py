"""SPDL: FFmpeg's decoder and filters in threads. The crop is drawn from the picture's header as
torchvision draws it; crop, resize and flip are one filter graph; torch normalises each batch."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from . import MEAN, SIZE_PX, STD, Job

TITLE = "SPDL: FFmpeg decode and filters in threads"
NEEDS = ("spdl.io", "spdl.pipeline")
PACKAGES = ("spdl", "spdl-io")
INSTALL = "pip install spdl, and FFmpeg's libraries (Debian: libavdevice59)"

_SCALE = f"scale={SIZE_PX}:{SIZE_PX}:flags=bilinear,format=pix_fmts=rgb24"


def _draw_filter(width: int, height: int, draws: random.Random) -> str:
    """RandomResizedCrop's box and a flip, as a filter."""
    flip = ",hflip" if draws.random() < 0.5 else ""
    for _ in range(10):
        area = width * height * draws.uniform(0.08, 1.0)
        ratio = math.exp(draws.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            x, y = draws.randint(0, width - w), draws.randint(0, height - h)
            return f"crop={w}:{h}:{x}:{y}:exact=1,{_SCALE}{flip}"
    side = min(width, height)
    return f"crop={side}:{side},{_SCALE}{flip}"


def open_epochs(job: Job) -> Callable[[], Iterator[Any]]:
    import spdl.io
    import torch
    from spdl.pipeline import PipelineBuilder

    draws = random.Random(job.seed)
    scale = torch.tensor([1 / (255 * value) for value in STD]).view(1, 3, 1, 1)
    offset = torch.tensor([-mean / std for mean, std in zip(MEAN, STD)]).view(1, 3, 1, 1)

    def decode(path: str) -> Any:
        packets = spdl.io.demux_image(path)
        made = _SCALE if job.is_fixed else _draw_filter(packets.width, packets.height, draws)
        return spdl.io.decode_packets(packets, filter_desc=made)

    def collate(frames: Sequence[Any]) -> Any:
        pixels = spdl.io.to_torch(spdl.io.convert_frames(frames)).permute(0, 3, 1, 2)
        values = torch.empty(pixels.shape, dtype=torch.float32)
        return torch.addcmul(offset, pixels.to(torch.float32), scale, out=values)

    def epoch() -> Iterator[Any]:
        paths = [path for path, _ in job.samples]
        if not job.is_fixed:
            draws.shuffle(paths)
        builder = PipelineBuilder().add_source(paths)
        builder = builder.pipe(decode, concurrency=job.cores, output_order="input")
        builder = builder.aggregate(job.batch_size).pipe(collate).add_sink(3)
        pipeline = builder.build(num_threads=job.cores + 1)
        with pipeline.auto_stop():
            yield from pipeline.get_iterator()

    return epoch
