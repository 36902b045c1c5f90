"""Runs a loader twice, torch's own way and attached, and compares everything that can be seen.

Key idea: a batch is turned into a list of plain facts (containers, types, dtypes, shapes, strides,
shared memory, bytes), followed by the random states that the script could look at. Equal lists are
equal runs.
"""

import hashlib
import os
import random

import dlop
import numpy
import torch
from dlop import report


def facts(data):
    """What a script can see of a value, as nested lists of plain values."""
    if isinstance(data, torch.Tensor):
        plain = data.as_subclass(torch.Tensor).contiguous()
        digest = hashlib.sha256(bytes(plain.view(torch.uint8).numpy())) if plain.numel() else None
        return [
            type(data).__name__,
            str(data.dtype),
            tuple(data.shape),
            data.stride(),
            data.is_shared(),
            digest.hexdigest() if digest else "",
        ]
    if isinstance(data, dict):
        return [type(data).__name__, [(k, facts(v)) for k, v in data.items()]]
    if isinstance(data, (list, tuple)):
        return [type(data).__name__, [facts(v) for v in data]]
    return [type(data).__name__, repr(data)]


def states():
    """The three random states of this process."""
    numpy_state = numpy.random.get_state()
    return [
        hashlib.sha256(bytes(torch.get_rng_state().numpy())).hexdigest(),
        hashlib.sha256(repr(random.getstate()).encode()).hexdigest(),
        hashlib.sha256(repr((numpy_state[1].tobytes(), numpy_state[2])).encode()).hexdigest(),
    ]


def seed(number=1234):
    torch.manual_seed(number)
    random.seed(number)
    numpy.random.seed(number)


def record(loader, epochs=2, before_epoch=None, stop_after=None):
    """Facts of all batches and of the random states after each; exceptions are facts too."""
    seen = []
    for epoch in range(epochs):
        if before_epoch is not None:
            before_epoch(loader, epoch)
        iterator = iter(loader)
        seen.append(["epoch", states(), length(loader)])
        count = 0
        while stop_after is None or count < stop_after:
            try:
                data = next(iterator)
            except StopIteration:
                seen.append(["end", states()])
                break
            except Exception as error:  # compared like a batch
                seen.append([type(error).__name__, error_text(error), states()])
                count += 1
                continue
            seen.append([facts(data), states()])
            count += 1
        del iterator
    return seen


def length(loader):
    try:
        return len(loader)
    except TypeError as error:
        return str(error)


def error_text(error):
    """Text of an exception without the frames of torch's worker loop and of ours in its place."""
    kept, is_dropped = [], False
    for line in str(error).splitlines():
        if line.startswith("  File "):
            is_dropped = "_utils/worker.py" in line or f"{os.sep}dlop{os.sep}" in line
        elif not line.startswith("    "):
            is_dropped = False
        if not is_dropped:
            kept.append(line)
    return "\n".join(kept)


def tier_of(loader):
    return report.of(loader, "", None).tier


def reason_of(loader):
    return report.of(loader, "", None).reason


def compare(make, tier="A", **options):
    """Record a loader made by make() both ways; they must be equal and of this tier."""
    seed()
    wanted = record(make(), **options)
    seed()
    loader = dlop.accelerate(make())
    made = record(loader, **options)
    assert tier_of(loader) == tier, f"tier {tier_of(loader)}: {reason_of(loader)}"
    assert len(made) == len(wanted)
    for number, (ours, theirs) in enumerate(zip(made, wanted)):
        assert ours == theirs, f"event {number}: {ours!r:.2000} instead of {theirs!r:.2000}"
    return loader
