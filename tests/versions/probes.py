"""Prints what the probes find here, and how well it holds beyond the few cases that they try.

    probes.py OUT

Key idea: PYTHONPATH makes dlop importable; everything is compared with the installed torch and
Pillow themselves: many draws and exponentials, resizes at the bounds of the pass rules.
"""

import json
import random
import sys

import cpu
import torch
from dlop import _lib, probe, rng
from PIL import Image

N_DRAWS, N_SIZES = 1 << 18, 150
LOG_RATIO = 0.28768208622932434


def differing_draws(rules):
    """How many of torch's uniform draws, and of its exponentials of them, ours are not."""
    generator = torch.Generator()
    generator.manual_seed(5)
    wanted = torch.empty(N_DRAWS).uniform_(-LOG_RATIO, LOG_RATIO, generator=generator)
    made = torch.empty(N_DRAWS)
    uniform = _lib.lib().dlop_rng_uniform
    uniform(rng.seeded(5), rules, -LOG_RATIO, LOG_RATIO, made.data_ptr(), N_DRAWS)
    n_draws = int((made != wanted).sum())
    made = wanted.clone()
    _lib.lib().dlop_exp(rules, made.data_ptr(), N_DRAWS)
    return n_draws, int((made != torch.exp(wanted)).sum())


def order_of(image, target):
    """Which axis Pillow resamples first, found with Pillow alone; "same" where it does not show."""
    (width, height), (out_width, out_height) = image.size, target
    x_first = image.resize((out_width, height), Image.BILINEAR).resize(target, Image.BILINEAR)
    y_first = image.resize((width, out_height), Image.BILINEAR).resize(target, Image.BILINEAR)
    if x_first.tobytes() == y_first.tobytes():
        return "same"
    made = image.resize(target, Image.BILINEAR).tobytes()
    return {x_first.tobytes(): "x", y_first.tobytes(): "y"}.get(made, "neither")


def sizes():
    """Sources and targets around the bounds of the rules, and anywhere."""
    dice = random.Random(3)
    for number in range(N_SIZES):
        if number % 3 == 0:
            width = dice.randint(1, 3)
            height = width * 100 + dice.randint(-1, 2)
            out_height = dice.choice([7, 60, height - 1, height + 9])
            yield (width, height), (dice.randint(2, 5), out_height)
            continue
        width, height = dice.randint(8, 90), dice.randint(8, 90)
        out_width = dice.randint(4, 90)
        out_height = dice.randint(4, 90)
        if number % 3 == 1:
            out_height = max(height - 2 * (width - out_width) + dice.randint(-1, 1), 4)
        yield (width, height), (out_width, out_height)


def main():
    rules = probe.draw_rules()
    probe.jpeg()
    rule = probe.pass_rule()
    cases = [(probe.picture(*size), target) for size, target in sizes()]
    wrong = [
        (image.size, target)
        for image, target in cases
        if probe._resize(image, target, rule) != image.resize(target, Image.BILINEAR).tobytes()
    ]
    n_draws, n_exps = differing_draws(rules)
    result = {
        "capability": cpu.capability(),
        "uniform_is_fused": rules.uniform_is_fused,
        "exp_kind": rules.exp_kind,
        "randint_wide_log2": rules.randint_wide_log2,
        "pass_rule": rule,
        "differing_draws": n_draws,
        "differing_exps": n_exps,
        "differing_resizes": wrong,
        "orders": [order_of(probe.picture(*size), target) for size, target in probe.PASS_CASES],
        "orders_anywhere": [order_of(image, target) for image, target in cases],
    }
    with open(sys.argv[1], "w", encoding="utf-8") as file:
        json.dump(result, file)


if __name__ == "__main__":
    main()
