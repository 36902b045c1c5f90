"""Comparisons of pixels with the installed Pillow and torchvision, each a function that asserts.

Ours is done by definition (draw_native.run): what any device must give for the job. Run as a
program, it does all of them with fewer repeats and prints their number, so that another Python can
run them too.
"""

import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "draw"))

import draw_native as native
import framework
import numpy as np
import PIL.Image
import torch
from framework import v1, v2

PHOTOS = native.ROOT / "build" / "photos" / "imagenet"
FILTERS = {
    native.NEAREST: v1.InterpolationMode.NEAREST,
    native.LANCZOS: v1.InterpolationMode.LANCZOS,
    native.BILINEAR: v1.InterpolationMode.BILINEAR,
    native.BICUBIC: v1.InterpolationMode.BICUBIC,
    native.BOX: v1.InterpolationMode.BOX,
    native.HAMMING: v1.InterpolationMode.HAMMING,
}
PAD_MODES = ("constant", "edge", "reflect", "symmetric")


def photographs(n):
    """n real photographs as [height][width][3], of many sizes."""
    paths = sorted(PHOTOS.glob("**/*.jpg"))
    assert paths, "make photos"
    for path in paths[:: max(1, len(paths) // n)][:n]:
        yield np.asarray(PIL.Image.open(path).convert("RGB"))


def probe_pass_rule():
    """How the installed Pillow orders the passes of a resize, found from pixels."""
    tall = next(photographs(1))[:64, :8]
    wanted = np.asarray(PIL.Image.fromarray(tall).resize((9, 8), PIL.Image.BILINEAR))
    very_tall = np.ascontiguousarray(
        next(photographs(1)).reshape(-1, 3)[:900].reshape(300, 3, 3)[:, :2]
    )
    wanted_very_tall = np.asarray(
        PIL.Image.fromarray(very_tall).resize((5, 40), PIL.Image.BILINEAR)
    )
    fitting = [
        rule
        for rule in (native.ALWAYS_X, native.TALL_100, native.SHRINK)
        if np.array_equal(resize(tall, 9, 8, native.BILINEAR, rule), wanted)
        and np.array_equal(resize(very_tall, 5, 40, native.BILINEAR, rule), wanted_very_tall)
    ]
    assert len(fitting) == 1, fitting
    return fitting[0]


def resize(pixels, width, height, filter, rule, resampler=native.PILLOW):
    ops = [native.op(native.RESIZE, height, width, filter)]
    return ours(ops, pixels, native.Stream(native.make_rules()), rule, resampler)


def ours(ops, pixels, stream, rule, resampler=native.PILLOW, out_channels=3):
    """Draw and run the operations; checks that the plan as such is accepted."""
    height, width, channels = pixels.shape
    cfg = native.make_cfg(
        ops,
        stream.rules,
        src_channels=channels,
        out_channels=out_channels,
        resampler=resampler,
        pass_rule=rule,
        element_bytes=1,
    )
    status, text, size = native.describe(cfg)
    assert status == native.OK, text
    status, drawn = stream.draw(ops, width, height)
    assert status == native.OK, status
    image = native.run(cfg, drawn, pixels)
    assert size in ((0, 0), image.shape[:2])
    return image


class Session:
    def __init__(self, repeats):
        self.repeats = repeats
        self.rules = framework.probe_rules()
        self.rule = probe_pass_rule()
        self.photographs = list(photographs(6 if repeats < 20 else 24))
        self.random = np.random.RandomState(1)

    def crop(self, largest=500):
        """A random part of a photograph, down to single rows, columns and pixels."""
        photo = self.photographs[self.random.randint(len(self.photographs))]
        height, width = (
            int(self.random.randint(1, min(side, largest) + 1)) for side in photo.shape[:2]
        )
        kind = self.random.randint(0, 12)
        width = min(width, 1 + kind) if kind < 3 else width
        height = min(height, kind - 2) if 3 <= kind < 6 else height
        y = int(self.random.randint(0, photo.shape[0] - height + 1))
        x = int(self.random.randint(0, photo.shape[1] - width + 1))
        return photo[y : y + height, x : x + width].copy()

    def target(self, pixels, largest=300):
        """An output (width, height); sometimes one axis is unchanged."""
        height, width = pixels.shape[:2]
        kind = self.random.randint(0, 8)
        return (
            width if kind == 0 else int(self.random.randint(1, largest)),
            height if kind == 1 else int(self.random.randint(1, largest)),
        )

    def stream(self, seed):
        torch.manual_seed(seed)
        return native.Stream(self.rules, seed)


# ---- the resamplers ----


def check_pillow_filters(session):
    n_orders = [0, 0]
    for filter, mode in FILTERS.items():
        pillow_filter = getattr(PIL.Image, mode.value.upper())
        for _ in range(session.repeats):
            pixels = session.crop()
            width, height = session.target(pixels)
            theirs = np.asarray(PIL.Image.fromarray(pixels).resize((width, height), pillow_filter))
            mine = resize(pixels, width, height, filter, session.rule)
            assert np.array_equal(mine, theirs), (filter, pixels.shape, width, height)
            shrink = pixels.shape[0] - height
            n_orders[shrink > 0 and shrink > 2 * (pixels.shape[1] - width)] += 1
    assert min(n_orders) > 0


def check_pillow_weights(session):
    """The weights themselves: whole-number images are resized with more bits than ours have.

    Row j of the image is a pulse at column j, so the result is the matrix of weights times 2^30.
    """
    sizes = [(5, 2), (201, 2), (7, 14), (2, 3), (300, 7), (65, 64), (64, 65), (331, 224)]
    sizes += [tuple(session.random.randint(1, 300, 2)) for _ in range(session.repeats)]
    for filter, mode in FILTERS.items():
        for n_in, n_out in sizes:
            if filter == native.NEAREST or n_in == n_out:
                continue
            pulses = PIL.Image.fromarray(np.eye(n_in, dtype=np.int32) << 30)
            resized = pulses.resize((int(n_out), n_in), getattr(PIL.Image, mode.value.upper()))
            theirs = np.asarray(resized).T.astype(np.int64)
            cfg = native.make_cfg([], session.rules)
            drawn = native.Drawn(n_steps=1)
            drawn.steps[0] = native.Step(native.RESIZE_STEP, (int(n_out), 1, filter))
            status, job, tables = native.bind(cfg, drawn, int(n_in), 1)
            assert status == native.OK
            mine = np.zeros((n_out, n_in), np.int64)
            axis = native.Axis(tables, job.x_axis_offset)
            mine[:, job.roi_x_px : job.roi_x_px + job.roi_width_px] = axis.matrix(job.roi_width_px)
            assert (np.abs((mine << 8) - theirs) <= 128).all(), (filter, n_in, n_out)


def check_pillow_large_factors(session):
    """Windows of hundreds of positions."""
    rows = next(photographs(1))
    column = np.ascontiguousarray(rows.reshape(-1, 1, 3)[:20000])
    for filter, mode in FILTERS.items():
        pillow_filter = getattr(PIL.Image, mode.value.upper())
        for pixels in (column, np.ascontiguousarray(column.swapaxes(0, 1))):
            for size in ((1, 1), (3, 2), (2, 3)):
                if session.rule == native.TALL_100 and pixels.shape[0] > 100:
                    continue
                theirs = np.asarray(PIL.Image.fromarray(pixels).resize(size, pillow_filter))
                mine = resize(pixels, *size, filter, session.rule)
                assert np.array_equal(mine, theirs), (filter, pixels.shape, size)


def check_nearest_positions(session):
    """Every pair of sizes up to a limit, with numbered pixels: rounding errors add up there."""
    limit = 40 + 4 * session.repeats
    for n_in in range(1, limit):
        numbers = np.arange(n_in, dtype=np.int32)[None]
        for n_out in range(1, limit):
            theirs = np.asarray(PIL.Image.fromarray(numbers).resize((n_out, 1), PIL.Image.NEAREST))
            cfg = native.make_cfg([], session.rules)
            drawn = native.Drawn(n_steps=1)
            drawn.steps[0] = native.Step(native.RESIZE_STEP, (n_out, 1, native.NEAREST))
            status, job, tables = native.bind(cfg, drawn, n_in, 1, 1 << 14)
            assert status == native.OK
            axis = native.Axis(tables, job.x_axis_offset)
            assert (axis.n == 1).all()
            assert np.array_equal(axis.start + job.roi_x_px, theirs[0]), (n_in, n_out)


def check_tensor_resampler(session):
    """torchvision's resize of uint8 tensors; not with output width 1 where it is not vectorised."""
    if not v2:
        return
    for filter in (native.BILINEAR, native.BICUBIC, native.LANCZOS):
        if framework.is_default_capability() and filter == native.BILINEAR:
            continue
        for _ in range(session.repeats):
            pixels = session.crop()
            width, height = session.target(pixels)
            if framework.is_default_capability() and width == 1:
                continue
            tensor = torch.from_numpy(pixels).permute(2, 0, 1)
            try:
                theirs = v2.functional.resize(
                    tensor, [height, width], interpolation=FILTERS[filter], antialias=True
                )
            except (ValueError, RuntimeError, NotImplementedError):
                assert filter == native.LANCZOS  # older releases have no such tensor resize
                break
            mine = resize(pixels, width, height, filter, session.rule, native.TENSOR)
            assert np.array_equal(mine, theirs.permute(1, 2, 0).numpy()), (filter, pixels.shape)


# ---- whole pipelines ----


def compare(session, seed, theirs, ops, channels=3, out_channels=3, largest=400, resampler=0):
    """Run both over parts of photographs with one stream; pixels and states must be equal."""
    stream = session.stream(seed)
    for _ in range(session.repeats):
        pixels = session.crop(largest)
        if channels == 1:
            pixels = pixels[..., :1]
        if resampler == native.TENSOR:
            wanted = theirs(torch.from_numpy(pixels).permute(2, 0, 1)).permute(1, 2, 0).numpy()
        else:
            picture = PIL.Image.fromarray(pixels if channels == 3 else pixels[..., 0])
            wanted = np.asarray(theirs(picture))
        mine = ours(ops, pixels, stream, session.rule, resampler, out_channels)
        assert np.array_equal(mine, wanted.reshape(mine.shape)), (pixels.shape, theirs)
        assert framework.same_state(stream)


def modules():
    return [v1, v2] if v2 else [v1]


def check_resized_crop_pipelines(session):
    for seed, (filter, mode) in enumerate(FILTERS.items()):
        for module in modules():
            theirs = module.Compose(
                [
                    module.RandomResizedCrop((40, 56), interpolation=mode),
                    module.RandomHorizontalFlip(),
                    module.RandomVerticalFlip(0.3),
                ]
            )
            ops = [
                framework.resized_crop((40, 56), filter=filter),
                native.op(native.FLIP_X, f=(0.5,)),
                native.op(native.FLIP_Y, f=(0.3,)),
            ]
            compare(session, seed, theirs, ops)


def check_flips_before_resize(session):
    for module in modules():
        theirs = module.Compose(
            [
                module.RandomHorizontalFlip(),
                module.RandomVerticalFlip(),
                module.RandomResizedCrop(33, interpolation=FILTERS[native.BICUBIC]),
                module.RandomHorizontalFlip(),
            ]
        )
        ops = [
            native.op(native.FLIP_X, f=(0.5,)),
            native.op(native.FLIP_Y, f=(0.5,)),
            framework.resized_crop((33, 33), filter=native.BICUBIC),
            native.op(native.FLIP_X, f=(0.5,)),
        ]
        compare(session, 1, theirs, ops)


def check_resize_and_center_crop(session):
    for module in modules():
        for size, crop in ((64, 56), (48, 60), (20, 20)):
            theirs = module.Compose(
                [module.Resize(size), module.CenterCrop(crop), module.RandomHorizontalFlip()]
            )
            ops = [
                native.op(native.RESIZE_SHORT, size, 0, native.BILINEAR),
                native.op(native.CENTER_CROP, crop, crop),
                native.op(native.FLIP_X, f=(0.5,)),
            ]
            compare(session, 2, theirs, ops, largest=200)


def check_center_crop_before_resize(session):
    """Small images are padded black, then resized: the padding takes part in the sums."""
    for module in modules():
        for filter in (native.BILINEAR, native.LANCZOS, native.NEAREST):
            theirs = module.Compose(
                [module.CenterCrop((150, 200)), module.Resize((60, 50), FILTERS[filter])]
            )
            ops = [
                native.op(native.CENTER_CROP, 150, 200),
                native.op(native.RESIZE, 60, 50, filter),
            ]
            compare(session, 3, theirs, ops)


def check_pads(session):
    """All modes, before and after a resize; margins stay below the side for the reflecting ones."""
    for module in modules():
        for mode, name in enumerate(PAD_MODES):
            fill = (0, 0, 0)
            margins = (5, 3, 9, 7)
            pad = module.Pad(list(margins), fill=fill if mode == 0 else 0, padding_mode=name)
            op = native.op(native.PAD, *margins, mode, *fill)
            size = module.Resize((90, 60))
            resize_op = native.op(native.RESIZE, 90, 60, native.BILINEAR)
            flip, flip_op = module.RandomHorizontalFlip(), native.op(native.FLIP_X, f=(0.5,))
            for theirs, ops in (
                ([size, flip, pad], [resize_op, flip_op, op]),
                (
                    [module.CenterCrop(20), flip, pad, flip, size],
                    [native.op(native.CENTER_CROP, 20, 20), flip_op, op, flip_op, resize_op],
                ),
                (
                    [module.CenterCrop(30), pad, module.CenterCrop(25), pad, size],
                    [
                        native.op(native.CENTER_CROP, 30, 30),
                        op,
                        native.op(native.CENTER_CROP, 25, 25),
                        op,
                        resize_op,
                    ],
                ),
            ):
                compare(session, 4, module.Compose(theirs), ops, largest=120)


def check_coloured_pads(session):
    for module in modules():
        theirs = module.Compose(
            [
                module.Resize((20, 30)),
                module.Pad([1, 2, 3, 4], fill=(9, 100, 255)),
                module.RandomCrop(18),
            ]
        )
        ops = [
            native.op(native.RESIZE, 20, 30, native.BILINEAR),
            native.op(native.PAD, 1, 2, 3, 4, 0, 9, 100, 255),
            native.op(native.RANDOM_CROP, 18, 18, 0, 0, 0, 0, 0, 0, int(module is not v1)),
        ]
        compare(session, 5, theirs, ops)


def check_random_crops(session):
    """As CIFAR's pipelines have it, and where the image is smaller than the crop."""
    for module in modules():
        is_v2 = int(module is not v1)
        for mode, name in enumerate(PAD_MODES):
            for if_needed in (False, True):
                theirs = module.Compose(
                    [
                        module.CenterCrop(32),
                        module.RandomCrop(
                            38 if if_needed else 32,
                            padding=4 if not if_needed else 2,
                            padding_mode=name,
                            pad_if_needed=if_needed,
                        ),
                        module.RandomHorizontalFlip(),
                    ]
                )
                size, margin = (38, 2) if if_needed else (32, 4)
                ops = [
                    native.op(native.CENTER_CROP, 32, 32),
                    native.op(
                        native.RANDOM_CROP, size, size, *[margin] * 4, int(if_needed), mode, is_v2
                    ),
                    native.op(native.FLIP_X, f=(0.5,)),
                ]
                compare(session, 6, theirs, ops, largest=80)


def check_grey(session):
    for module in modules():
        grey = module.Grayscale(3)
        resized = module.Resize((30, 40))
        resize_op = native.op(native.RESIZE, 30, 40, native.BILINEAR)
        pad = module.Pad(3, fill=(200, 10, 20))
        pad_op = native.op(native.PAD, 3, 3, 3, 3, 0, 200, 10, 20)
        flip, flip_op = module.RandomHorizontalFlip(), native.op(native.FLIP_X, f=(0.5,))
        grey_op = native.op(native.GREY, 3)
        sometimes, sometimes_op = (
            module.RandomGrayscale(0.4),
            native.op(native.RANDOM_GREY, f=(0.4,)),
        )
        for theirs, ops in (
            ([grey, resized], [grey_op, resize_op]),
            ([resized, grey], [resize_op, grey_op]),
            ([resized, pad, grey], [resize_op, pad_op, grey_op]),
            ([resized, grey, pad], [resize_op, grey_op, pad_op]),
            ([grey, pad, flip], [grey_op, pad_op, flip_op]),
            ([pad, flip, grey], [pad_op, flip_op, grey_op]),
            ([sometimes, resized, flip], [sometimes_op, resize_op, flip_op]),
            ([resized, sometimes, flip], [resize_op, sometimes_op, flip_op]),
        ):
            compare(session, 7, module.Compose(theirs), ops)
        one = module.Compose([resized, module.Grayscale(1), flip])
        compare(session, 8, one, [resize_op, native.op(native.GREY, 1), flip_op], out_channels=1)
        # Grey images stay as they are.
        compare(session, 9, module.Compose([resized, flip]), [resize_op, flip_op], 1, 1)
        three = module.Compose([resized, grey])
        compare(session, 10, three, [resize_op, grey_op], channels=1)


def check_tensor_pipelines(session):
    if not v2 or framework.is_default_capability():
        return
    for filter in (native.BILINEAR, native.BICUBIC):
        theirs = v2.Compose(
            [
                v2.RandomResizedCrop((40, 56), interpolation=FILTERS[filter], antialias=True),
                v2.RandomHorizontalFlip(),
                v2.Pad(2, fill=7),
            ]
        )
        ops = [
            framework.resized_crop((40, 56), filter=filter),
            native.op(native.FLIP_X, f=(0.5,)),
            native.op(native.PAD, 2, 2, 2, 2, 0, 7, 7, 7),
        ]
        compare(session, 11, theirs, ops, resampler=native.TENSOR)
    for mode, name in enumerate(PAD_MODES):
        theirs = v2.Compose(
            [v2.CenterCrop(50), v2.Pad([3, 4, 5, 6], padding_mode=name), v2.Resize((33, 44))]
        )
        ops = [
            native.op(native.CENTER_CROP, 50, 50),
            native.op(native.PAD, 3, 4, 5, 6, mode),
            native.op(native.RESIZE, 33, 44, native.BILINEAR),
        ]
        compare(session, 12, theirs, ops, resampler=native.TENSOR)


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    session = Session(int(sys.argv[1]))
    for check in CHECKS:
        check(session)
    print(f"{len(CHECKS)} checks, Pillow {PIL.__version__}, pass rule {session.rule}")
