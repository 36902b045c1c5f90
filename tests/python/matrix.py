"""Rows of the equality matrix: pipelines, samplers, workers, batches, threads. Needs no pytest."""

import os

import torch
from pair import compare
from torch.utils.data import (
    ConcatDataset,
    DataLoader,
    RandomSampler,
    Subset,
    WeightedRandomSampler,
    random_split,
)
from torch.utils.data.distributed import DistributedSampler
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder

try:
    from torchvision.transforms import v2
except ImportError:  # before torchvision 0.15
    v2 = None

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
MODES = [mode for mode in v1.InterpolationMode if mode.value != "nearest-exact"]


def v1_pipelines():
    tail = [v1.ToTensor(), v1.Normalize(MEAN, STD)]
    crop = v1.RandomResizedCrop(32)
    yield "v1-train", [crop, v1.RandomHorizontalFlip(), *tail]
    yield "v1-eval", [v1.Resize(48), v1.CenterCrop(40), *tail]
    for mode in MODES:
        sizes = v1.RandomResizedCrop((24, 40), interpolation=mode)
        yield f"v1-crop-{mode.value}", [sizes, v1.RandomVerticalFlip(0.3), v1.ToTensor()]
        yield f"v1-resize-{mode.value}", [v1.Resize((50, 20), interpolation=mode), *tail]
    yield "v1-wide", [v1.RandomResizedCrop(32, scale=(0.01, 0.05), ratio=(0.1, 10.0)), *tail]
    yield "v1-max", [v1.Resize(40, max_size=50), v1.CenterCrop(56), v1.ToTensor()]
    yield "v1-crop-pad", [v1.Resize(36), v1.RandomCrop(32, padding=4, fill=(1, 2, 3)), *tail]
    yield (
        "v1-crop-needed",
        [v1.RandomCrop((90, 110), pad_if_needed=True, padding_mode="reflect"), v1.ToTensor()],
    )
    for mode in ("constant", "edge", "reflect", "symmetric"):
        pad = v1.Pad((1, 2, 3, 4), fill=7, padding_mode=mode)
        yield f"v1-pad-{mode}", [v1.Resize((30, 30)), pad, *tail]
    yield "v1-grey", [crop, v1.Grayscale(), v1.ToTensor(), v1.Normalize((0.5,), (0.25,))]
    yield "v1-grey-3", [v1.Grayscale(3), crop, v1.RandomGrayscale(0.5), *tail]
    yield "v1-some-grey", [crop, v1.RandomGrayscale(0.4), v1.PILToTensor()]
    yield "v1-crop-one-axis", [v1.Resize((40, 30)), v1.RandomCrop((32, 30)), *tail]
    yield "v1-half", [crop, v1.PILToTensor(), v1.ConvertImageDtype(torch.float16)]
    yield "v1-late-flip", [crop, *tail, v1.RandomHorizontalFlip(0.7), v1.RandomCrop(30)]
    yield (
        "v1-flips",
        [v1.CenterCrop(64), v1.RandomHorizontalFlip(1.0), v1.RandomVerticalFlip(0.0), *tail],
    )


def v2_pipelines():
    if v2 is None:
        return
    floats = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
    crop = v2.RandomResizedCrop(32)
    yield "v2-train", [crop, v2.RandomHorizontalFlip(), *floats]
    yield "v2-eval", [v2.Resize(48), v2.CenterCrop((40, 60)), *floats]
    for name in ("nearest", "bilinear", "bicubic", "lanczos", "box", "hamming"):
        yield f"v2-crop-{name}", [v2.RandomResizedCrop((40, 24), interpolation=name), *floats]
        yield f"v2-resize-{name}", [v2.Resize((20, 50), interpolation=name), *floats]
    yield "v2-max", [v2.Resize(40, max_size=50), v2.CenterCrop(56), *floats]
    yield "v2-long", [v2.Resize(None, max_size=50), v2.CenterCrop(56), *floats]
    yield "v2-crop-pad", [v2.Resize((30, 40)), v2.RandomCrop(32, padding=[1, 2, 3, 4]), *floats]
    yield (
        "v2-crop-needed",
        [v2.RandomCrop((90, 110), pad_if_needed=True, padding_mode="symmetric"), *floats],
    )
    for mode in ("constant", "edge", "reflect", "symmetric"):
        yield f"v2-pad-{mode}", [v2.Resize((30, 30)), v2.Pad([3, 5], 9, mode), *floats]
    yield "v2-grey", [crop, v2.Grayscale(3), v2.RandomGrayscale(0.5), *floats]
    yield "v2-crop-one-axis", [v2.Resize((30, 40)), v2.RandomCrop((30, 32)), *floats]
    yield "v2-bytes", [crop, v2.RandomVerticalFlip(0.6), v2.PILToTensor()]
    yield "v2-brain", [crop, v2.PILToTensor(), v2.ToDtype(torch.bfloat16, scale=True)]
    yield "v2-double", [crop, v2.ToImage(), v2.ConvertImageDtype(torch.float64)]
    yield "v2-unscaled", [crop, v2.ToImage(), v2.ToDtype(torch.float32), v2.ToPureTensor()]
    for name in ("bilinear", "bicubic"):
        size = v2.RandomResizedCrop((40, 24), interpolation=name, antialias=True)
        tail = [v2.RandomHorizontalFlip(), v2.ToDtype(torch.float32, scale=True)]
        yield f"v2-tensor-{name}", [v2.ToImage(), size, *tail]
    yield "v2-tensor-eval", [v2.PILToTensor(), v2.Resize(48, antialias=True), v2.CenterCrop(40)]
    yield "v2-tensor-pad", [v2.ToImage(), v2.Resize((30, 30)), v2.RandomCrop(32, padding=4)]


PIPELINES = dict([*v1_pipelines(), *v2_pipelines()])
WORKERS = [0, 1, 2, 3]  # 3 means persistent
SAMPLERS = ["shuffle", "generator", "subset", "distributed", "sampler", "weighted", "split"]
BATCHES = [(8, False, 2), (7, True, 3), (16, False, 1)]
THREADS = [1, 2, 7]


def make_loader(root, pipeline, workers, sampler, batch, container=v1.Compose):
    compose = v2.Compose if pipeline.startswith("v2") else container
    dataset = ImageFolder(str(root), compose(list(PIPELINES[pipeline])))
    batch_size, drop_last, prefetch = batch
    options = {"batch_size": batch_size, "drop_last": drop_last, "num_workers": workers}
    if workers:
        options.update(prefetch_factor=prefetch, persistent_workers=workers == 3)
    if sampler == "shuffle":
        options["shuffle"] = True
    elif sampler == "generator":
        generator = torch.Generator()
        generator.manual_seed(77)
        options.update(shuffle=True, generator=generator)
    elif sampler == "subset":
        dataset = Subset(ConcatDataset([dataset, dataset]), list(range(-20, 50, 2)))
    elif sampler == "distributed":
        options["sampler"] = DistributedSampler(dataset, num_replicas=2, rank=1, seed=3)
    elif sampler == "sampler":
        options["sampler"] = RandomSampler(dataset, replacement=True, num_samples=40)
    elif sampler == "weighted":
        weights = [1.0 + k % 5 for k in range(len(dataset))]
        options["sampler"] = WeightedRandomSampler(weights, 40)
    elif sampler == "split":
        dataset = random_split(dataset, [30, len(dataset) - 30])[0]
        options["shuffle"] = True
    return DataLoader(dataset, **options)


def make_rows():
    """Every pipeline with every number of workers; the other factors turn at their own speeds."""
    for p, pipeline in enumerate(PIPELINES):
        for w, workers in enumerate(WORKERS):
            sampler = SAMPLERS[(p + 2 * w) % len(SAMPLERS)]
            batch = BATCHES[(p + w) % len(BATCHES)]
            threads = THREADS[(p // 3 + w) % len(THREADS)]
            yield pipeline, sampler, workers, batch, threads


ROWS = list(make_rows())


def identify(row):
    pipeline, sampler, workers, (batch, drop, prefetch), threads = row
    return f"{pipeline}-{sampler}-w{workers}-b{batch}{'d' if drop else ''}p{prefetch}-t{threads}"


def check_row(root, row):
    """Compare one row; raises AssertionError where anything differs."""
    pipeline, sampler, workers, batch, threads = row
    os.environ["DLOP_THREADS"] = str(threads)

    def set_epoch(loader, epoch):
        if hasattr(loader.sampler, "set_epoch"):
            loader.sampler.set_epoch(epoch)

    compare(lambda: make_loader(root, pipeline, workers, sampler, batch), before_epoch=set_epoch)
