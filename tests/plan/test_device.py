"""The comparisons of test_pixels.py once more, with the CPU device in the place of the definition:
it must take every table that binding makes, with each choice of vector steps."""

import ctypes
import os

import draw_native as native
import numpy as np
import pixels
import pytest

LIBRARY = os.environ.get("DLOP_LIBRARY", str(native.BUILD / "libdlop.so"))
MASKS = {"reference": 0, "plain": 1, "all": 2**32 - 1}
TABLES_ONLY = (pixels.check_nearest_positions, pixels.check_pillow_weights)
CHECKS = [check for check in pixels.CHECKS if check not in TABLES_ONLY]


class ContextCfg(ctypes.Structure):
    _fields_ = [
        ("size_bytes", ctypes.c_uint32),
        ("n_threads", ctypes.c_uint32),
        ("n_readers", ctypes.c_uint32),
        ("vector_level", ctypes.c_uint32),
        ("device", ctypes.c_char_p),
    ]


class Device:
    """A context and a decoder of the library."""

    def __init__(self, mask):
        self.library = ctypes.CDLL(LIBRARY)
        self.library.dlop_decoder_open.argtypes = [ctypes.c_uint32, ctypes.c_void_p]
        cfg = ContextCfg()
        self.library.dlop_ctx_cfg_init(ctypes.byref(cfg))
        self.context, self.decoder = ctypes.c_void_p(), ctypes.c_void_p()
        status = self.library.dlop_ctx_open(ctypes.byref(cfg), ctypes.byref(self.context))
        assert status == native.OK, status
        status = self.library.dlop_decoder_open(mask, ctypes.byref(self.decoder))
        assert status == native.OK, status

    def close(self):
        self.library.dlop_decoder_close(ctypes.byref(self.decoder))
        self.library.dlop_ctx_close(ctypes.byref(self.context))

    def run(self, ops, image, stream, rule, resampler=native.PILLOW, out_channels=3):
        """As pixels.ours."""
        height, width, channels = image.shape
        table = np.tile(np.arange(256, dtype=np.uint8), (3, 1))
        cfg = native.make_cfg(
            ops,
            stream.rules,
            src_channels=channels,
            out_channels=out_channels,
            resampler=resampler,
            pass_rule=rule,
            element_bytes=1,
            is_hwc=1,
            pack_table=table.ctypes.data,
        )
        size = self.out_size(ops, stream, width, height)
        plan, reason = ctypes.c_void_p(), ctypes.create_string_buffer(200)
        status = self.library.dlop_plan_open(
            self.context,
            ctypes.byref(cfg),
            ctypes.byref(plan),
            reason,
            ctypes.c_size_t(len(reason)),
        )
        assert status == native.OK, reason.value
        image = np.ascontiguousarray(image)
        out = np.empty((*size, out_channels), np.uint8)
        sides = (ctypes.c_uint32 * 2)()
        status = self.library.dlop_plan_run_pixels(
            plan,
            self.decoder,
            ctypes.byref(stream.state),
            ctypes.c_void_p(image.ctypes.data),
            height,
            width,
            ctypes.c_void_p(out.ctypes.data),
            ctypes.c_size_t(out.nbytes),
            ctypes.byref(sides, 0),
            ctypes.byref(sides, 4),
        )
        self.library.dlop_plan_close(ctypes.byref(plan))
        assert status == native.OK, status
        assert tuple(sides) == size
        return out

    @staticmethod
    def out_size(ops, stream, width, height):
        """Output (height, width), drawn with a copy of the stream."""
        copy = native.Stream(stream.rules)
        ctypes.memmove(ctypes.byref(copy.state), bytes(stream.state), ctypes.sizeof(copy.state))
        status, drawn = copy.draw(ops, width, height)
        assert status == native.OK, status
        return drawn.height_px, drawn.width_px


@pytest.fixture(scope="module")
def session():
    return pixels.Session(10)


@pytest.fixture(scope="module", params=MASKS)
def device(request):
    opened = Device(MASKS[request.param])
    yield opened
    opened.close()


@pytest.mark.full
@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__[6:])
def test_device(check, device, session, monkeypatch):
    monkeypatch.setattr(pixels, "ours", device.run)
    check(session)
