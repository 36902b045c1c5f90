"""Loads photographs, each time after replacing one function of torch by one with other values.

    odd.py WHAT PHOTOS OUT      WHAT: names of REPLACEMENTS with commas, or nothing

Key idea: torch's samplers and torchvision's transforms use the replacement, so a loader that went
on drawing by the usual rules would give other batches.
"""

import json
import sys

import matrix
import torch
from torchvision import transforms


def odd_exp(stock):
    return lambda values: stock(values) * 1.03


def odd_uniform(stock):
    def uniform_(self, low=0.0, high=1.0, generator=None):
        return stock(self, low, low + (high - low) * 0.9, generator=generator)

    return uniform_


def odd_randint(stock):
    def randint(low, high, size, **options):
        return low + high - 1 - stock(low, high, size, **options)

    return randint


def odd_randperm(stock):
    return lambda n, **options: n - 1 - stock(n, **options)


REPLACEMENTS = {
    "exp": (torch, odd_exp),
    "uniform_": (torch.Tensor, odd_uniform),
    "randint": (torch, odd_randint),
    "randperm": (torch, odd_randperm),
}


def load(photos, name=None):
    """Events of loaders with and without workers, one function replaced meanwhile."""
    owner, make = REPLACEMENTS.get(name, (None, None))
    stock = getattr(owner, name) if owner else None
    if owner:
        setattr(owner, name, make(stock))
    parts = [transforms.RandomResizedCrop((90, 80)), transforms.ToTensor()]
    results = [matrix.load(photos, transforms.Compose(parts), w) for w in matrix.WORKERS]
    if owner:
        setattr(owner, name, stock)
    return results


def main():
    what, photos, out = sys.argv[1:]
    torch.set_num_threads(1)
    names = [None] if what == "nothing" else what.split(",")
    results = [batches for name in names for batches in load(photos, name)]
    with open(out, "w", encoding="utf-8") as file:
        json.dump(results, file)


if __name__ == "__main__":
    main()
