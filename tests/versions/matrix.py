"""Loads every case of the matrix and trains, and writes what a script can see of it to a file.

    matrix.py PHOTOS TALL CASES OUT       CASES: all, or draws for those that depend on the CPU

Key idea: a plain PyTorch script that knows nothing of DLOP. Run twice, with and without the
attachment, it must write the same file. One event per batch: types, dtypes, shapes, strides, bytes,
and the random states after it. Runs on every version since torch 1.13.
"""

import hashlib
import json
import random
import sys

import cpu
import numpy
import torch
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder

try:
    from torchvision.transforms import v2
except ImportError:  # before torchvision 0.15
    v2 = None

FILTERS = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")
WORKERS = (0, 2)
N_EPOCHS, N_STEPS = 2, 20
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
DRAWS = ("crop-224", "eval-224", "crop-pad", "crop-needed", "v2-crop-224", "v2-tensor")


def pipelines():
    """(name, which pictures, transform)"""
    tail = [v1.ToTensor(), v1.Normalize(MEAN, STD)]
    flip = v1.RandomHorizontalFlip()
    yield "crop-224", "photos", v1.Compose([v1.RandomResizedCrop(224), flip, *tail])
    yield "eval-224", "photos", v1.Compose([v1.Resize(256), v1.CenterCrop(224), *tail])
    crop = v1.RandomCrop(32, padding=4, fill=(1, 2, 3))
    yield "crop-pad", "photos", v1.Compose([v1.Resize(36), crop, flip, *tail])
    crop = v1.RandomCrop((90, 110), pad_if_needed=True, padding_mode="reflect")
    yield "crop-needed", "photos", v1.Compose([v1.Resize(64), crop, v1.ToTensor()])
    # Crops more than a hundred times as tall as wide, out of common photographs.
    crop = v1.RandomResizedCrop((40, 24), scale=(0.003, 0.006), ratio=(0.004, 0.01))
    yield "crop-tall", "photos", v1.Compose([crop, v1.ToTensor()])
    for name in FILTERS:
        mode = v1.InterpolationMode(name)
        size = v1.Resize((60, 90), interpolation=mode)
        yield f"resize-{name}", "photos", v1.Compose([size, v1.ToTensor()])
        size = v1.Resize((50, 9), interpolation=mode)
        yield f"tall-{name}", "tall", v1.Compose([size, v1.ToTensor()])
    if v2 is not None:
        tail = [v2.ToImage(), v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)]
        parts = [v2.RandomResizedCrop(224), v2.RandomHorizontalFlip()]
        yield "v2-crop-224", "photos", v2.Compose([*parts, *tail])
        yield "v2-eval-224", "photos", v2.Compose([v2.Resize(256), v2.CenterCrop(224), *tail])
        parts = [v2.ToImage(), v2.RandomResizedCrop(64, antialias=True), v2.RandomHorizontalFlip()]
        yield "v2-tensor", "photos", v2.Compose([*parts, *tail[1:]])


def chosen(wanted):
    """The pipelines of a set of cases."""
    return [p for p in pipelines() if wanted == "all" or p[0] in DRAWS]


def cases(wanted):
    """Names of all cases of a set, in their order."""
    names = [name for name, _, _ in chosen(wanted)]
    return [f"{name}-w{workers}" for name in [*names, "train"] for workers in WORKERS]


def seed(number):
    torch.manual_seed(number)
    random.seed(number)
    numpy.random.seed(number)


def sha(data):
    return hashlib.sha256(data).hexdigest()[:16]


def facts(tensor):
    plain = tensor.as_subclass(torch.Tensor)
    kind = [type(tensor).__name__, str(tensor.dtype), list(tensor.shape), list(tensor.stride())]
    return [*kind, tensor.is_shared(), sha(plain.contiguous().numpy().tobytes())]


def states():
    numpy_state = numpy.random.get_state()
    python_state = repr(random.getstate()).encode()
    parts = (torch.get_rng_state().numpy().tobytes(), python_state, numpy_state[1].tobytes())
    return [*map(sha, parts), int(numpy_state[2])]


def load(root, transform, workers):
    """Events of all epochs of one loader."""
    seed(1234)
    dataset = ImageFolder(root, transform)
    loader = DataLoader(dataset, batch_size=5, shuffle=True, num_workers=workers)
    events = []
    for _ in range(N_EPOCHS):
        for batch in loader:
            events.append([type(batch).__name__, [facts(t) for t in batch], states()])
        events.append(["end of epoch", states()])
    return events


def train(root, transform, workers):
    """Bits of the losses and of the weights of a small network with draws of its own."""
    seed(11)
    model = torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 7, stride=4),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(2),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(32, 2),
    )
    dataset = ImageFolder(root, transform)
    loader = DataLoader(dataset, batch_size=4, shuffle=True, drop_last=True, num_workers=workers)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses = []
    while len(losses) < N_STEPS:
        for images, targets in loader:
            loss = torch.nn.functional.cross_entropy(model(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item().hex())
            if len(losses) == N_STEPS:
                break
    weights = {k: sha(v.contiguous().numpy().tobytes()) for k, v in model.state_dict().items()}
    return [losses, weights, states()]


def main():
    photos, tall, wanted, out = sys.argv[1:]
    roots = {"photos": photos, "tall": tall}
    torch.set_num_threads(1)
    results, training = {}, None
    for name, pictures, transform in chosen(wanted):
        if name == "crop-224":
            training = transform
        for workers in WORKERS:
            results[f"{name}-w{workers}"] = load(roots[pictures], transform, workers)
    for workers in WORKERS:
        results[f"train-w{workers}"] = train(photos, training, workers)
    with open(out, "w", encoding="utf-8") as file:
        json.dump({"capability": cpu.capability(), "cases": results}, file)


if __name__ == "__main__":
    main()
