"""Jobs of check.py: plain PyTorch code, run with and without DLOP, in a fork for each.

Nothing here knows DLOP but tier_of, which asks whether a loader was attached.
"""

import hashlib
import json
import os
import platform
import random
import sys
import time
import traceback

import torch
from torch import nn
from torch.utils.data import DataLoader, RandomSampler, default_collate
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder
from torchvision.transforms import v2

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
BATCH, N_STEPS = 16, 20


# ---- parts ---------------------------------------------------------------------------------------


def transform(pipeline):
    if pipeline == "bytes":
        return v1.Compose([v1.RandomResizedCrop(96), v1.PILToTensor()])
    if pipeline == "v2":
        parts = [v2.ToImage(), v2.RandomResizedCrop(96, antialias=True), v2.RandomHorizontalFlip()]
        return v2.Compose([*parts, v2.ToDtype(torch.float32, scale=True), v2.Normalize(MEAN, STD)])
    parts = [v1.RandomResizedCrop(160), v1.RandomHorizontalFlip()]
    return v1.Compose([*parts, v1.ToTensor(), v1.Normalize(MEAN, STD)])


def own_collate(samples):
    images, targets = default_collate(samples)
    return {"images": images, "targets": targets, "names": [str(t) for _, t in samples]}


def seed(number):
    random.seed(number)
    torch.manual_seed(number)


def tier_of(loader):
    """DLOP's tier of a loader and the device that makes its batches; None where the process was
    started without DLOP."""
    if "dlop" not in sys.modules:
        return None
    from dlop import report

    entry = report.of(loader, "", None)
    return f"{entry.tier} on {entry.device}"


def digest(tensor):
    plain = tensor.detach().cpu().contiguous()
    return hashlib.sha256(plain.view(-1).view(torch.uint8).numpy()).hexdigest()


class Mean(nn.Module):
    """Over the picture; the framework's pooling layers are not deterministic on a GPU."""

    def forward(self, x):
        return x.mean((2, 3))


def network(n_classes):
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2),
        nn.ReLU(),
        Mean(),
        nn.Dropout(0.3),
        nn.Linear(32, n_classes),
    )


# ---- jobs ----------------------------------------------------------------------------------------


def machine(want_gpu):
    import PIL
    import torchvision

    facts = {"python": platform.python_version(), "torch": torch.__version__}
    facts.update(torchvision=torchvision.__version__, pillow=PIL.__version__)
    facts["cores"] = len(os.sched_getaffinity(0))
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        names = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    facts["cpu"] = names[0] if names else platform.machine()
    facts["gpu"] = torch.cuda.get_device_name() if want_gpu else None
    return facts


def side_stream_copy(images, device):
    """As prefetching scripts do it: the copy waits behind other work in a stream of its own, and
    the host's tensor is let go at once."""
    stream = torch.cuda.Stream()
    with torch.cuda.stream(stream):
        work = torch.ones(4096, 4096, device=device)
        for _ in range(8):  # some 20 ms
            work = work @ work * 1e-4
        there = images.to(device, non_blocking=True)
    return there, stream


def batches(
    data, device, pipeline="v1", batch_size=BATCH, loader=None, collate=False, side_stream=False
):
    """Digests of all batches as the device has them, two epochs."""
    options = {"num_workers": 2, "pin_memory": True, **(loader or {})}
    if device == "cpu":
        options.pop("pin_memory_device", None)
    if collate:
        options["collate_fn"] = own_collate
    seed(3)
    dataset = ImageFolder(data, transform(pipeline))
    made = DataLoader(dataset, batch_size=batch_size, shuffle=True, **options)
    digests, forms, pinned, waiting = [], [], set(), []
    for _ in range(2):
        for batch in made:
            images, targets = _parts(batch)
            forms.append([str(images.dtype), list(images.shape), list(images.stride())])
            forms[-1].append([images.is_shared(), targets.is_shared(), type(batch).__name__])
            pinned |= {images.is_pinned(), targets.is_pinned()}
            if side_stream and device == "cuda":
                there, stream = side_stream_copy(images, device)
                waiting.append((there, stream))
            else:
                there = images.to(device, non_blocking=True)
                if device == "cuda":
                    torch.cuda.synchronize()
                digests.append(digest(there))
            digests.append(digest(targets.to(device)))
            del batch, images, targets
        for there, stream in waiting:
            stream.synchronize()
            digests.append(digest(there))
        waiting.clear()
        digests.append(digest(torch.get_rng_state()))
    tier = tier_of(made)
    return {"digests": digests, "forms": forms, "is_pinned": sorted(pinned), "tier": tier}


def _parts(batch):
    if isinstance(batch, dict):
        return batch["images"], batch["targets"]
    return batch


def train(data, device, amp=None, non_blocking=True, channels_last=False):
    """Losses and final weights, as bits."""
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = False
    seed(11)
    dataset = ImageFolder(data, transform("v1"))
    loader = DataLoader(
        dataset, batch_size=BATCH, shuffle=True, drop_last=True, num_workers=2, pin_memory=True
    )
    layout = torch.channels_last if channels_last else torch.contiguous_format
    model = network(len(dataset.classes)).to(device, memory_format=layout)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    dtype = getattr(torch, amp) if amp else torch.float32
    scaler = torch.amp.GradScaler(device, enabled=amp == "float16")
    losses = []
    while len(losses) < N_STEPS:
        for images, targets in loader:
            images = images.to(device, non_blocking=non_blocking, memory_format=layout)
            targets = targets.to(device, non_blocking=non_blocking)
            optimizer.zero_grad()
            with torch.autocast(device, dtype=dtype, enabled=amp is not None):
                loss = nn.functional.cross_entropy(model(images), targets)
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            losses.append(float(loss.detach()))
            if len(losses) == N_STEPS:
                break
    weights = {name: digest(value) for name, value in model.state_dict().items()}
    return {
        "losses": [loss.hex() for loss in losses],
        "last_loss": round(losses[-1], 4),
        "weights": weights,
        "scale": scaler.get_scale(),
        "tier": tier_of(loader),
    }


def rate(data, cores, pin, n_images):
    """Images per second of the loader alone, on the first so many cores."""
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    torch.set_num_threads(cores)
    seed(5)
    dataset = ImageFolder(data, transform("v1"))
    sampler = RandomSampler(dataset, replacement=True, num_samples=n_images)
    loader = DataLoader(
        dataset, 64, sampler=sampler, num_workers=cores, pin_memory=pin, persistent_workers=True
    )
    for _ in loader:  # start of workers, threads and the GPU's context
        break
    begin, n = time.perf_counter(), 0
    for images, _ in loader:
        n += len(images)
    return {"images_per_s": n / (time.perf_counter() - begin)}


JOBS = {"machine": machine, "batches": batches, "train": train, "rate": rate}


# ---- server --------------------------------------------------------------------------------------


def answer(request):
    """The job's result as one line of JSON, from a fork."""
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(source)
        try:
            text = json.dumps(JOBS[request["job"]](**request["arguments"]))
        except Exception:
            text = json.dumps({"error": traceback.format_exc()[-1500:]})
        sys.stderr.flush()
        with os.fdopen(sink, "w") as link:
            link.write(text)
        os._exit(0)
    os.close(sink)
    with os.fdopen(source) as link:
        text = link.read()
    _, status = os.waitpid(child, 0)
    return text or json.dumps({"error": f"the job ended with status {status}"})


def serve(requests, answers):
    for line in requests:
        answers.write(answer(json.loads(line)) + "\n")
        answers.flush()
    return 0
