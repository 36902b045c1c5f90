"""The library's drawing rules and axis tables over ctypes, as the tests of this folder see them.

DLOP_BUILD names the build folder. peek.so has the internal functions (peek.c); the public ones are
taken from it too, since it holds the same objects as the library. No import of torch here.
"""

import ctypes
import os
import pathlib

import numpy as np

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("DLOP_BUILD", ROOT / "build" / "release"))

OK, BAD_ARGUMENT, TOO_SMALL, NO_PLAN, LIMIT = 0, -30, -33, -34, -4
EXP_MKL, EXP_POLY_FMA, EXP_LIBM, EXP_ROUNDED = range(4)
NEAREST, LANCZOS, BILINEAR, BICUBIC, BOX, HAMMING = range(6)
CONSTANT, EDGE, REFLECT, SYMMETRIC = range(4)
PILLOW, TENSOR = range(2)
ALWAYS_X, TALL_100, SHRINK = range(3)
(
    RESIZED_CROP,
    RESIZE,
    RESIZE_SHORT,
    CENTER_CROP,
    RANDOM_CROP,
    PAD,
    FLIP_X,
    FLIP_Y,
    GREY,
    RANDOM_GREY,
) = range(10)
CROP_STEP, RESIZE_STEP, PAD_STEP, FLIP_X_STEP, FLIP_Y_STEP, GREY_STEP = range(6)


class State(ctypes.Structure):
    _fields_ = [("key", ctypes.c_uint32 * 624), ("next", ctypes.c_uint32)]


class Rules(ctypes.Structure):
    _fields_ = [
        ("size_bytes", ctypes.c_uint32),
        ("uniform_is_fused", ctypes.c_uint32),
        ("exp_kind", ctypes.c_uint32),
        ("randint_wide_log2", ctypes.c_uint32),
        ("exp_fn", ctypes.c_uint64),
    ]


class Op(ctypes.Structure):
    _fields_ = [
        ("kind", ctypes.c_uint32),
        ("reserved", ctypes.c_uint32),
        ("i", ctypes.c_int32 * 12),
        ("f", ctypes.c_double * 6),
    ]


class PlanCfg(ctypes.Structure):
    _fields_ = [
        ("size_bytes", ctypes.c_uint32),
        ("n_ops", ctypes.c_uint32),
        ("ops", ctypes.POINTER(Op)),
        ("rules", ctypes.POINTER(Rules)),
        ("src_channels", ctypes.c_uint32),
        ("out_channels", ctypes.c_uint32),
        ("element_bytes", ctypes.c_uint32),
        ("is_hwc", ctypes.c_uint32),
        ("resampler", ctypes.c_uint32),
        ("pass_rule", ctypes.c_uint32),
        ("pack_table", ctypes.c_void_p),
        ("max_pixels", ctypes.c_uint64),
    ]


class Step(ctypes.Structure):
    _fields_ = [("kind", ctypes.c_int32), ("v", ctypes.c_int32 * 8)]


class Drawn(ctypes.Structure):
    _fields_ = [
        ("n_steps", ctypes.c_uint32),
        ("width_px", ctypes.c_uint32),
        ("height_px", ctypes.c_uint32),
        ("steps", Step * 48),
    ]


def _fields(kind, names):
    return [(name, kind) for name in names.split()]


class Job(ctypes.Structure):
    _fields_ = [
        ("abi_version", ctypes.c_uint16),
        *_fields(ctypes.c_uint8, "kind pass_order grey layout"),
        *_fields(ctypes.c_uint8, "src_channels out_channels element_bytes"),
        ("fill", ctypes.c_uint8 * 3),
        ("record", ctypes.c_uint32),
        *_fields(ctypes.c_uint64, "in_offset in_bytes x_axis_offset y_axis_offset"),
        *_fields(ctypes.c_uint64, "pack_offset out_offset"),
        *_fields(ctypes.c_uint32, "out_bytes src_width_px src_height_px"),
        *_fields(ctypes.c_uint32, "roi_x_px roi_y_px roi_width_px roi_height_px"),
        *_fields(ctypes.c_uint32, "out_width_px out_height_px"),
        ("reserved", ctypes.c_uint32 * 7),
    ]


assert ctypes.sizeof(Job) == 128

_library = None


def library():
    global _library
    if _library is None:
        _library = ctypes.CDLL(str(BUILD / "tests" / "draw" / "peek.so"))
        _library.dlop_rng_seed64.restype = ctypes.c_int64
        _library.dlop_rng_from_torch.argtypes = [
            ctypes.c_char_p,
            ctypes.c_size_t,
            ctypes.POINTER(State),
        ]
        _library.dlop_rng_seed.argtypes = [ctypes.POINTER(State), ctypes.c_uint64]
    return _library


def make_rules():
    rules = Rules()
    library().dlop_draw_rules_init(ctypes.byref(rules))
    return rules


class Stream:
    """A generator with its rules."""

    def __init__(self, rules, seed=0):
        self.rules = rules
        self.state = State()
        self.seed(seed)

    def seed(self, seed):
        library().dlop_rng_seed(ctypes.byref(self.state), seed % 2**64)

    def load(self, blob):
        status = library().dlop_rng_from_torch(blob, len(blob), ctypes.byref(self.state))
        assert status == OK, status

    def save(self, blob):
        """Return the blob of a torch state with this engine in it."""
        buffer = ctypes.create_string_buffer(blob, len(blob))
        status = library().dlop_rng_to_torch(
            ctypes.byref(self.state), buffer, ctypes.c_size_t(len(blob))
        )
        assert status == OK, status
        return buffer.raw

    def uniform(self, a, b, n=1):
        out = np.empty(n, np.float32)
        library().dlop_rng_uniform(
            ctypes.byref(self.state),
            ctypes.byref(self.rules),
            ctypes.c_float(a),
            ctypes.c_float(b),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(n),
        )
        return out

    def randint(self, lo, hi, n=1):
        out = np.empty(n, np.int64)
        library().dlop_rng_randint(
            ctypes.byref(self.state),
            ctypes.byref(self.rules),
            ctypes.c_int64(lo),
            ctypes.c_int64(hi),
            out.ctypes.data_as(ctypes.c_void_p),
            ctypes.c_size_t(n),
        )
        return out

    def randperm(self, n):
        out = np.empty(n, np.int64)
        library().dlop_rng_randperm(
            ctypes.byref(self.state), out.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(n)
        )
        return out

    def seed64(self):
        return library().dlop_rng_seed64(ctypes.byref(self.state))

    def draw(self, ops, width, height):
        """Return (status, Drawn)."""
        array = (Op * max(len(ops), 1))(*ops)
        drawn = Drawn()
        status = library().peek_draw(
            array,
            len(ops),
            ctypes.byref(self.rules),
            ctypes.byref(self.state),
            width,
            height,
            ctypes.byref(drawn),
        )
        return status, drawn


def exp(rules, values):
    out = np.array(values, np.float32)
    library().dlop_exp(
        ctypes.byref(rules), out.ctypes.data_as(ctypes.c_void_p), ctypes.c_size_t(out.size)
    )
    return out


def op(kind, *i, f=()):
    made = Op(kind=kind)
    made.i[: len(i)] = i
    made.f[: len(f)] = f
    return made


def make_cfg(ops, rules, **fields):
    cfg = PlanCfg()
    library().dlop_plan_cfg_init(ctypes.byref(cfg))
    cfg.n_ops = len(ops)
    cfg.keep = [(Op * max(len(ops), 1))(*ops), rules]
    cfg.ops = cfg.keep[0]
    cfg.rules = ctypes.pointer(rules)
    for name, value in fields.items():
        setattr(cfg, name, value)
    return cfg


def describe(cfg):
    """Return (status, text or reason, (height, width))."""
    table = np.zeros(3 * 256 * 8, np.uint8)
    cfg.pack_table = table.ctypes.data
    text = ctypes.create_string_buffer(4096)
    size = (ctypes.c_uint32 * 2)()
    status = library().peek_plan(ctypes.byref(cfg), size, text, ctypes.c_size_t(len(text)))
    return status, text.value.decode(), tuple(size)


class Axis:
    """One axis table, read back."""

    def __init__(self, tables, offset):
        n_out, n_taps, self.precision, self.is_gather = tables[offset : offset + 16].view(np.uint32)
        spans_end = offset + 16 + 8 * n_out
        spans = tables[offset + 16 : spans_end].view(np.int32).reshape(n_out, 2)
        self.start, self.n = spans[:, 0], spans[:, 1]
        self.weights = (
            tables[spans_end : spans_end + 4 * n_out * n_taps].view(np.int32).reshape(n_out, n_taps)
        )
        self.n_taps = int(n_taps)

    def matrix(self, n_in):
        """Weights as [n_out][n_in] doubles; whole numbers, so products with 8 bits are exact."""
        dense = np.zeros((len(self.n), n_in))
        for o, (start, n) in enumerate(zip(self.start, self.n)):
            assert 0 <= n <= self.n_taps and (n == 0 or 0 <= start <= n_in - n), (start, n, n_in)
            dense[o, start : start + n] = self.weights[o, :n]
            assert not self.weights[o, n:].any() or self.is_gather
        if self.is_gather:
            assert self.n_taps == 1 and (self.weights == 1 << int(self.precision)).all()
        return dense

    def apply(self, rows):
        """[n_in][...] of 0..255 to [n_out][...]."""
        flat = rows.reshape(rows.shape[0], -1).astype(np.float64)
        half = 1 << (int(self.precision) - 1)
        summed = (self.matrix(rows.shape[0]) @ flat + half).astype(np.int64) >> int(self.precision)
        return np.clip(summed, 0, 255).astype(np.uint8).reshape((-1, *rows.shape[1:]))


def to_grey(pixels):
    wide = pixels.astype(np.uint32)
    grey = (19595 * wide[..., 0] + 38470 * wide[..., 1] + 7471 * wide[..., 2] + 0x8000) >> 16
    return np.repeat(grey.astype(np.uint8)[..., None], 3, axis=-1)


def bind(cfg, drawn, width, height, capacity=1 << 22):
    """Return (status, job, tables)."""
    tables = np.full(capacity // 8, -1, np.int64).view(np.uint8)
    job = Job()
    size = (ctypes.c_uint32 * 2)(width, height)
    status = library().peek_bind(
        ctypes.byref(cfg),
        ctypes.byref(drawn),
        size,
        ctypes.c_void_p(tables.ctypes.data),
        ctypes.c_size_t(capacity),
        ctypes.byref(job),
    )
    return status, job, tables


def run(cfg, drawn, pixels):
    """Bind and do by definition what a device does with the job: [height][width][out channels].

    pixels: [height][width][src channels].
    """
    height, width = pixels.shape[:2]
    status, job, tables = bind(cfg, drawn, width, height)
    assert status == OK, status
    image = pixels[
        job.roi_y_px : job.roi_y_px + job.roi_height_px,
        job.roi_x_px : job.roi_x_px + job.roi_width_px,
    ]
    assert image.shape[:2] == (job.roi_height_px, job.roi_width_px)
    if image.shape[-1] == 1:
        image = np.repeat(image, 3, axis=-1)
    if job.grey == 1:
        image = to_grey(image)
    x, y = Axis(tables, job.x_axis_offset), Axis(tables, job.y_axis_offset)
    if job.pass_order == 0:
        image = np.swapaxes(x.apply(np.swapaxes(image, 0, 1)), 0, 1)
        image = y.apply(image)
    else:
        image = y.apply(image)
        image = np.swapaxes(x.apply(np.swapaxes(image, 0, 1)), 0, 1)
    if job.grey == 2:
        image = to_grey(image)
    image = np.array(image)
    image[:, x.n == 0] = list(job.fill)
    image[y.n == 0] = list(job.fill)
    assert image.shape[:2] == (job.out_height_px, job.out_width_px)
    return image[..., : job.out_channels]
