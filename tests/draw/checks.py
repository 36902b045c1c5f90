"""Comparisons of draws with the installed framework, each a function that asserts.

Run as a program, it does all of them with fewer repeats and prints their number: so that another
Python, which may have no pytest, can run them too.
"""

import sys

import draw_native as native
import framework
import numpy as np
import torch
from framework import v1, v2

SEEDS = (0, 1, 123, 2**31 + 5, 2**32 - 1, 2**40 + 7, 2**63 - 1)


class Session:
    """Probed rules and the number of repeats."""

    def __init__(self, repeats):
        self.rules = framework.probe_rules()
        self.repeats = repeats

    def stream(self, seed):
        torch.manual_seed(seed)
        return native.Stream(self.rules, seed)


# ---- generator ----


def check_states(session):
    """Seeding, loading and saving the state, at the edges of a block and inside it."""
    for seed in SEEDS:
        stream = session.stream(seed)
        assert framework.same_state(stream), seed
        for n in (1, 2, 620, 1, 1, 624, 623, 625, 10000):
            torch.rand(n, dtype=torch.float32) if n < 16 else [torch.rand(1) for _ in range(n)]
            stream.uniform(0, 1, n)
            assert framework.same_state(stream), (seed, n)
            other = native.Stream(session.rules)
            other.load(framework.blob())
            assert framework.same_state(other), (seed, n)
            # Into a state that stands elsewhere, and back into the framework.
            torch.manual_seed(99)
            torch.set_rng_state(
                torch.frombuffer(bytearray(stream.save(framework.blob())), dtype=torch.uint8)
            )
            assert torch.rand(1).item() == stream.uniform(0, 1)[0]


def check_bad_states(session):
    """A blob that is not a state is refused and leaves the state alone."""
    torch.manual_seed(3)
    good = framework.blob()
    for at, value in ((8, 0), (8, 2), (10, 3), (12, 0), (16, 7), (17, 1), (28, 1), (5000 + 12, 1)):
        bad = bytearray(good)
        bad[at] = value
        state = native.State(next=77)
        status = native.library().dlop_rng_from_torch(bytes(bad), len(bad), state)
        assert status == native.BAD_ARGUMENT and state.next == 77, (at, value)
    state = native.State()
    assert native.library().dlop_rng_from_torch(good, 5055, state) == native.BAD_ARGUMENT
    state.next = 625
    status = native.library().dlop_rng_to_torch(state, good, native.ctypes.c_size_t(len(good)))
    assert status == native.BAD_ARGUMENT


def check_uniform(session):
    for a, b in (
        (0.08, 1.0),
        (-0.28768208622932434, 0.28768208622932434),
        (0.02, 0.33),
        (-10, 10),
        (0.0, 255.0),
        (0.5, 0.5),
    ):
        stream = session.stream(9)
        n = 8 * session.repeats
        theirs = [torch.empty(1).uniform_(a, b).item() for _ in range(n)]
        assert stream.uniform(a, b, n).tolist() == theirs, (a, b)
        assert framework.same_state(stream)


def check_randint(session):
    ranges = [
        (0, n)
        for n in (
            1,
            2,
            3,
            10,
            1000,
            2**20,
            2**24 + 1,
            2**27,
            2**28 - 1,
            2**28,
            2**28 + 1,
            2**31,
            2**32 - 1,
            2**32,
            2**40,
            2**62,
        )
    ]
    for lo, hi in [*ranges, (-5, 17), (-(2**62), 2**62)]:
        stream = session.stream(7)
        n = session.repeats
        theirs = [torch.randint(lo, hi, (1,)).item() for _ in range(n)]
        assert stream.randint(lo, hi, n).tolist() == theirs, (lo, hi)
        assert framework.same_state(stream)


def check_randperm(session):
    for n in (0, 1, 2, 3, 4, 5, 10, 625, 1000, 50000):
        stream = session.stream(n)
        assert stream.randperm(n).tolist() == torch.randperm(n).tolist(), n
        assert framework.same_state(stream)


def check_seed64(session):
    stream = session.stream(11)
    for _ in range(session.repeats):
        assert stream.seed64() == torch.empty((), dtype=torch.int64).random_().item()
    assert framework.same_state(stream)


def check_exp(session):
    """The chosen rule on draws as the crops make them."""
    for ratio in (framework.DEFAULT_RATIO, (0.3, 3.3), (0.5, 2.0)):
        lo, hi = framework.log_ratio(ratio)
        arguments = native.Stream(session.rules, 4).uniform(lo, hi, 400 * session.repeats)
        theirs = torch.exp(torch.from_numpy(arguments)).numpy()
        assert (native.exp(session.rules, arguments) == theirs).all(), ratio


def check_exp_kinds(session):
    """Each rule is within one unit in the last place, and they are not all the same."""
    arguments = native.Stream(session.rules, 4).uniform(-1.2, 1.2, 20000)
    exact = np.exp(arguments.astype(np.float64)).astype(np.float32)
    differing = set()
    for kind in range(4):
        rules = native.make_rules()
        rules.exp_kind, rules.exp_fn = kind, session.rules.exp_fn
        if kind == native.EXP_MKL and not rules.exp_fn:
            continue
        ours = native.exp(rules, arguments)
        assert (np.abs(ours - exact) <= np.spacing(exact)).all(), kind
        differing.add(int((ours != exact).sum()))
    assert 0 in differing and len(differing) > 1, differing


# ---- transforms ----


def repeat(session, seed, low=1):
    """Yield (stream, width, height) for each repeat; afterwards the states must be equal."""
    stream = session.stream(seed)
    sizes = framework.Sizes(seed)
    for number in range(session.repeats):
        width, height = sizes.next(low)
        yield stream, width, height
        if number % 50 == 0 or number == session.repeats - 1:
            assert framework.same_state(stream), (number, width, height)


def check_resized_crop(session):
    settings = (
        ((0.08, 1.0), framework.DEFAULT_RATIO),
        ((0.5, 1.0), (0.5, 2.0)),
        ((0.9, 1.0), (3.0, 4.0)),  # mostly the fallback, on wide and tall images
        ((0.9, 1.0), (0.1, 0.2)),
        ((1.0, 1.0), (1.0, 1.0)),
        ((1.5, 2.0), framework.DEFAULT_RATIO),  # always the fallback
    )
    for number, (scale, ratio) in enumerate(settings):
        ops = [framework.resized_crop((20, 30), scale, ratio)]
        newer = v2.RandomResizedCrop((20, 30), scale, ratio) if v2 else None
        for stream, width, height in repeat(session, number):
            picture = framework.image(width, height)
            version = stream.state.next % 2 if newer else 0
            if version:
                drawn = framework.params(newer, picture)
                theirs = tuple(drawn[k] for k in ("top", "left", "height", "width"))
            else:
                theirs = v1.RandomResizedCrop.get_params(picture, list(scale), list(ratio))
            status, ours = stream.draw(ops, width, height)
            if 0 in theirs[2:]:
                # The framework goes on to fail with an empty box; its words are gone by then.
                assert status == native.BAD_ARGUMENT
                torch.set_rng_state(
                    torch.frombuffer(bytearray(stream.save(framework.blob())), dtype=torch.uint8)
                )
                continue
            assert status == native.OK and framework.crop_box(ours) == tuple(theirs)
            assert ours.n_steps == 2 and tuple(ours.steps[1].v[:3]) == (30, 20, native.BILINEAR)


def check_random_crop_v1(session):
    """The size is up to 40 x 50 after padding, so that some images are too small."""
    for number, (height, width) in enumerate(((1, 1), (40, 50), (300, 8))):
        ops = [native.op(native.RANDOM_CROP, height, width)]
        for stream, w, h in repeat(session, number):
            status, ours = stream.draw(ops, w, h)
            try:
                theirs = v1.RandomCrop.get_params(framework.image(w, h), (height, width))
            except ValueError:
                assert status == native.BAD_ARGUMENT
                continue
            assert status == native.OK and framework.crop_box(ours) == tuple(theirs)
        # Exactly the image's size: draws nothing.
        stream = session.stream(1)
        assert stream.draw(ops, width, height)[0] == native.OK
        assert framework.same_state(stream)


def check_random_crop_v2(session):
    if not v2:
        return
    settings = (
        ((40, 50), None, False),
        ((40, 50), (4, 5, 6, 7), False),
        ((300, 200), (4, 5, 6, 7), True),
        ((300, 300), None, True),
    )
    for number, (size, padding, if_needed) in enumerate(settings):
        newer = v2.RandomCrop(size, padding=padding, pad_if_needed=if_needed)
        margins = padding or (0, 0, 0, 0)
        ops = [native.op(native.RANDOM_CROP, *size, *margins, int(if_needed), 0, 1)]
        for stream, w, h in repeat(session, number):
            status, ours = stream.draw(ops, w, h)
            try:
                theirs = framework.params(newer, framework.image(w, h))
            except ValueError:
                assert status == native.BAD_ARGUMENT
                continue
            assert status == native.OK
            box = tuple(theirs[k] for k in ("top", "left", "height", "width"))
            has_pad = ours.steps[0].kind == native.PAD_STEP
            assert framework.crop_box(ours, int(has_pad)) == box
            assert has_pad == theirs["needs_pad"]
            if has_pad:
                assert list(ours.steps[0].v[:4]) == theirs["padding"]


def check_flips(session):
    """Whether a transform acted is seen from a picture of two pixels."""
    picture = framework.image(2, 2)
    picture.putpixel((0, 0), 255)
    versions = [v1, v2] if v2 else [v1]
    for number, p in enumerate((0.0, 0.1, 0.5, 1 / 3, 0.999, 1.0)):
        for module in versions:
            for name, kind in (("Horizontal", native.FLIP_X), ("Vertical", native.FLIP_Y)):
                flip = getattr(module, f"Random{name}Flip")(p)
                ops = [native.op(kind, f=(p,))]
                stream = session.stream(number)
                for _ in range(session.repeats):
                    has_flipped = flip(picture).getpixel((0, 0)) != 255
                    status, ours = stream.draw(ops, 2, 2)
                    assert status == native.OK and ours.n_steps == has_flipped, p
                assert framework.same_state(stream)


def check_random_grey(session):
    picture = framework.image(1, 1, "RGB")
    picture.putpixel((0, 0), (255, 0, 0))
    for module in [v1, v2] if v2 else [v1]:
        grey = module.RandomGrayscale(0.3)
        ops = [native.op(native.RANDOM_GREY, f=(0.3,))]
        stream = session.stream(2)
        for _ in range(session.repeats):
            has_changed = grey(picture).getpixel((0, 0)) != (255, 0, 0)
            status, ours = stream.draw(ops, 1, 1)
            assert status == native.OK and ours.n_steps == has_changed
        assert framework.same_state(stream)


def check_resize_sizes(session):
    settings = [(256, None), (1, None), (37, None), (224, 300), (64, 65)]
    if v2:
        settings += [(None, 100), (None, 7)]
    for number, (size, max_size) in enumerate(settings):
        ops = [native.op(native.RESIZE_SHORT, size or 0, max_size or 0, native.NEAREST)]
        for stream, width, height in repeat(session, number):
            theirs = framework.reference_size(size, max_size, width, height)
            status, ours = stream.draw(ops, width, height)
            if 0 in theirs or max(theirs) > 65500:
                assert status == (native.BAD_ARGUMENT if 0 in theirs else native.LIMIT)
                continue
            assert status == native.OK, (size, max_size, width, height)
            assert (ours.height_px, ours.width_px) == theirs, (size, max_size, width, height)


def check_center_crop(session):
    """Offsets from a picture whose pixels are numbers."""
    for number, size in enumerate(((5, 8), (40, 31), (1, 1), (64, 200))):
        ops = [native.op(native.CENTER_CROP, *size)]
        for stream, width, height in repeat(session, number):
            width, height = width % 90 + 1, height % 90 + 1
            numbered = np.arange(1, width * height + 1, dtype=np.int32).reshape(height, width)
            theirs = np.asarray(v1.CenterCrop(size)(framework.PIL.Image.fromarray(numbered)))
            status, ours = stream.draw(ops, width, height)
            assert status == native.OK
            steps = [ours.steps[k] for k in range(ours.n_steps)]
            for step in steps:
                if step.kind == native.PAD_STEP:
                    left, top, right, bottom = step.v[:4]
                    numbered = np.pad(numbered, ((top, bottom), (left, right)))
                else:
                    x, y, w, h = step.v[:4]
                    numbered = numbered[y : y + h, x : x + w]
            assert np.array_equal(numbered, theirs), (width, height, size)


def check_long_pipeline(session):
    """A whole chain through the real transforms: only the state is compared, after every record."""
    ops = [
        framework.resized_crop((40, 40)),
        native.op(native.FLIP_X, f=(0.5,)),
        native.op(native.RANDOM_CROP, 32, 32, 4, 4, 4, 4),
        native.op(native.FLIP_Y, f=(0.2,)),
        native.op(native.RANDOM_GREY, f=(0.1,)),
    ]
    theirs = v1.Compose(
        [
            v1.RandomResizedCrop(40),
            v1.RandomHorizontalFlip(0.5),
            v1.RandomCrop(32, padding=4),
            v1.RandomVerticalFlip(0.2),
            v1.RandomGrayscale(0.1),
        ]
    )
    stream = session.stream(21)
    sizes = framework.Sizes(21)
    for _ in range(session.repeats):
        width, height = sizes.next(8, 300)
        theirs(framework.image(width, height, "RGB"))
        assert stream.draw(ops, width, height)[0] == native.OK
        assert framework.same_state(stream)


def check_failed_draw_keeps_state(session):
    """An operation that fails after others have drawn gives their words back, new block or not."""
    ops = [native.op(native.FLIP_X, f=(0.5,)), native.op(native.RANDOM_CROP, 50, 50)]
    stream = session.stream(5)
    for used in range(640):
        before = bytes(stream.state)
        assert stream.draw(ops, 49, 400)[0] == native.BAD_ARGUMENT
        assert bytes(stream.state) == before, used
        stream.uniform(0, 1)
    for width, height in ((0, 5), (5, 0), (65501, 5), (5, 2**32 - 1)):
        assert stream.draw(ops, width, height)[0] == native.LIMIT


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]

if __name__ == "__main__":
    session = Session(int(sys.argv[1]))
    for check in CHECKS:
        check(session)
    print(f"{len(CHECKS)} checks, torch {torch.__version__}")
