"""Which recipes a plan takes, what it says of them, and why it refuses the others."""

import pathlib

import draw_native as native
import pytest
from draw_native import op

EXPECTED = pathlib.Path(__file__).parent / "expected"
CROP_224 = op(
    native.RESIZED_CROP, 224, 224, native.BILINEAR, f=(0.08, 1, 0.75, 1.333, -0.2877, 0.2877)
)
RESIZE_256 = op(native.RESIZE_SHORT, 256, 0, native.BILINEAR)
CENTER_224 = op(native.CENTER_CROP, 224, 224)
FLIP = op(native.FLIP_X, f=(0.5,))
WHITE_PAD = op(native.PAD, 2, 2, 2, 2, native.CONSTANT, 255, 255, 255)
BLACK_PAD = op(native.PAD, 2, 2, 2, 2, native.CONSTANT)
RED_PAD = op(native.PAD, 2, 2, 2, 2, native.CONSTANT, 255, 0, 0)
RANDOM_GREY = op(native.RANDOM_GREY, f=(0.1,))

ACCEPTED = {
    "train": ([CROP_224, FLIP], {}),
    "validate": ([RESIZE_256, CENTER_224], {"pass_rule": native.ALWAYS_X}),
    "cifar": (
        [op(native.RANDOM_CROP, 32, 32, 4, 4, 4, 4, 0, native.REFLECT, 1), FLIP],
        {"element_bytes": 2, "is_hwc": 1},
    ),
    "tensor": ([op(native.RESIZE, 64, 48, native.BICUBIC), FLIP], {"resampler": native.TENSOR}),
    "everything": (
        [
            op(native.RESIZE_SHORT, 0, 300, native.LANCZOS),
            op(native.RANDOM_CROP, 30, 40, 0, 0, 0, 0, 1, native.CONSTANT, 0, 1, 2, 3),
            op(native.PAD, 1, 2, 3, 4, native.EDGE),
            op(native.FLIP_Y, f=(0.25,)),
            RANDOM_GREY,
            op(native.GREY, 1),
        ],
        {"out_channels": 1, "pass_rule": native.TALL_100},
    ),
    "whole": ([op(native.CENTER_CROP, 32, 32)], {}),
    "whole_flipped": ([op(native.CENTER_CROP, 32, 32), FLIP], {}),
    "nothing": ([], {"src_channels": 1, "out_channels": 1}),
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_text_of_plan(name):
    ops, fields = ACCEPTED[name]
    status, text, _ = native.describe(native.make_cfg(ops, native.make_rules(), **fields))
    assert status == native.OK, text
    assert text == (EXPECTED / f"{name}.txt").read_text()


SIZES = [
    ([], (0, 0)),
    ([CROP_224], (224, 224)),
    ([RESIZE_256], (0, 0)),
    ([RESIZE_256, CENTER_224], (224, 224)),
    ([op(native.PAD, 1, 2, 3, 4)], (0, 0)),
    ([op(native.RESIZE, 10, 20, native.BOX), op(native.PAD, 1, 2, 3, 4)], (16, 24)),
    ([op(native.RANDOM_CROP, 5, 7)], (5, 7)),
    ([op(native.RESIZE, 9, 9, native.BOX), op(native.RESIZE_SHORT, 9, 0, native.BOX)], (9, 9)),
]


@pytest.mark.parametrize("ops, size", SIZES)
def test_output_size(ops, size):
    status, text, found = native.describe(native.make_cfg(ops, native.make_rules()))
    assert (status, found) == (native.OK, size), text


ACCEPTED_ORDERS = [
    [BLACK_PAD, CROP_224],
    [CROP_224, WHITE_PAD, WHITE_PAD],
    [RESIZE_256, CENTER_224, WHITE_PAD],  # the middle lies inside: nothing black
    [op(native.PAD, 2, 2, 2, 2, native.REFLECT), CROP_224, WHITE_PAD],
    [WHITE_PAD, RANDOM_GREY, WHITE_PAD],  # grey does not change white
    [RED_PAD, op(native.GREY, 3), op(native.PAD, 1, 1, 1, 1, native.CONSTANT, 76, 76, 76)],
    [op(native.RESIZE, 7, 7, native.BOX), op(native.RESIZE, 7, 7, native.BOX)],
]


@pytest.mark.parametrize("ops", ACCEPTED_ORDERS)
def test_accepted_orders(ops):
    status, text, _ = native.describe(native.make_cfg(ops, native.make_rules()))
    assert status == native.OK, text


REFUSED = [
    ([RESIZE_256, CROP_224], {}, "two resizes"),
    ([CROP_224, op(native.RESIZE, 224, 225, native.BILINEAR)], {}, "two resizes"),
    ([WHITE_PAD, CROP_224], {}, "other than black"),
    ([BLACK_PAD, WHITE_PAD], {}, "two different fill colours"),
    ([WHITE_PAD, CENTER_224], {}, "two different fill colours"),
    ([RED_PAD, RANDOM_GREY, RED_PAD], {}, "two different fill colours"),
    ([RED_PAD, op(native.GREY, 3), RED_PAD], {}, "two different fill colours"),
    ([op(native.GREY, 1)], {}, "another number of channels"),
    ([op(native.GREY, 2)], {}, "1 or 3 channels"),
    ([], {"src_channels": 1}, "another number of channels"),
    ([RANDOM_GREY], {"resampler": native.TENSOR}, "floating point"),
    ([op(native.RESIZE, 8, 8, native.NEAREST)], {"resampler": native.TENSOR}, "tensors"),
    ([op(native.RESIZE, 8, 8, native.BOX)], {"resampler": native.TENSOR}, "tensors"),
    ([op(native.RESIZE, 8, 8, 6)], {}, "filter"),
    ([op(native.RESIZE, 0, 8, native.BOX)], {}, "size"),
    ([op(native.RESIZE, 8, 65501, native.BOX)], {}, "size"),
    ([op(native.RESIZE_SHORT, 0, 0, native.BOX)], {}, "size"),
    ([op(native.RESIZE_SHORT, 8, 8, native.BOX)], {}, "max_size"),
    ([op(native.CENTER_CROP, 8, -1)], {}, "size"),
    ([op(native.PAD, 1, -1, 1, 1)], {}, "padding"),
    ([op(native.PAD, 1, 1, 1, 1, 4)], {}, "mode"),
    ([op(native.PAD, 1, 1, 1, 1, 0, 256)], {}, "fill"),
    ([op(native.RANDOM_CROP, 8, 8, 1, 1, 1, 1, 0, 0, 0, 0, -1)], {}, "fill"),
    ([op(native.FLIP_X, f=(float("nan"),))], {}, "probability"),
    ([op(native.RESIZED_CROP, 8, 8, 2, f=(1, 0.5, 1, 1, 0, 0))], {}, "order"),
    ([op(native.RESIZED_CROP, 8, 8, 2, f=(-1, 0.5, 1, 1, 0, 0))], {}, "negative"),
    ([op(native.RESIZED_CROP, 8, 8, 2, f=(0.1, float("inf"), 1, 1, 0, 0))], {}, "finite"),
    ([op(99)], {}, "operation"),
]


@pytest.mark.parametrize("ops, fields, reason", REFUSED)
def test_refused(ops, fields, reason):
    status, text, _ = native.describe(native.make_cfg(ops, native.make_rules(), **fields))
    assert status == native.NO_PLAN
    assert reason in text


@pytest.mark.parametrize(
    "field, value",
    [
        ("size_bytes", 4),
        ("n_ops", 17),
        ("src_channels", 2),
        ("out_channels", 4),
        ("element_bytes", 3),
        ("is_hwc", 2),
        ("resampler", 2),
        ("pass_rule", 3),
    ],
)
def test_bad_configuration(field, value):
    cfg = native.make_cfg([FLIP], native.make_rules(), **{field: value})
    status, text, _ = native.describe(cfg)
    assert status == native.BAD_ARGUMENT and text


@pytest.mark.parametrize("field, value", [("exp_kind", 4), ("randint_wide_log2", 33)])
def test_bad_rules(field, value):
    rules = native.make_rules()
    setattr(rules, field, value)
    status, text, _ = native.describe(native.make_cfg([FLIP], rules))
    assert status == native.NO_PLAN and "rule" in text


def test_mkl_rule_needs_its_address():
    rules = native.make_rules()
    rules.exp_kind = native.EXP_MKL
    status, text, _ = native.describe(native.make_cfg([FLIP], rules))
    assert status == native.NO_PLAN and "vmsExp" in text
