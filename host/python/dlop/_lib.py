"""libdlop.so through ctypes: the part of host/include/dlop.h that the attachment uses.

Key idea: structures and prototypes once, errors as exceptions, addresses as integers. Nothing is
loaded before the first call of lib(). Not here: any knowledge of PyTorch.
"""

from __future__ import annotations

import contextlib
import ctypes as C
import functools
import json
import os
import sys
import threading
from typing import Any

VERSION = "0.1.0"

OK, AGAIN, NEED_PIXELS = 0, 1, 3
ERR_READ, ERR_ARGUMENT, ERR_STATE, ERR_NO_PLAN = -5, -30, -31, -34

EXP_MKL, EXP_POLY_FMA, EXP_LIBM, EXP_ROUNDED = range(4)
RESAMPLER_PILLOW, RESAMPLER_TENSOR = range(2)
PASS_ALWAYS_X, PASS_TALL_100, PASS_SHRINK = range(3)
PAD_MODES = {"constant": 0, "edge": 1, "reflect": 2, "symmetric": 3}
(
    OP_RESIZED_CROP,
    OP_RESIZE,
    OP_RESIZE_SHORT,
    OP_CENTER_CROP,
    OP_RANDOM_CROP,
    OP_PAD,
    OP_FLIP_X,
    OP_FLIP_Y,
    OP_GREY,
    OP_RANDOM_GREY,
) = range(10)

RNG_WORDS = 624
TORCH_STATE_BYTES = 5056


class LibraryError(Exception):
    """The library is missing, of another version, or a call of it failed."""


class RngState(C.Structure):
    _fields_ = [("key", C.c_uint32 * RNG_WORDS), ("next", C.c_uint32)]


class DrawRules(C.Structure):
    _fields_ = [
        ("size_bytes", C.c_uint32),
        ("uniform_is_fused", C.c_uint32),
        ("exp_kind", C.c_uint32),
        ("randint_wide_log2", C.c_uint32),
        ("exp_fn", C.c_uint64),
    ]


class Op(C.Structure):
    _fields_ = [
        ("kind", C.c_uint32),
        ("reserved", C.c_uint32),
        ("i", C.c_int32 * 12),
        ("f", C.c_double * 6),
    ]


class CtxCfg(C.Structure):
    _fields_ = [
        ("size_bytes", C.c_uint32),
        ("n_threads", C.c_uint32),
        ("n_readers", C.c_uint32),
        ("vector_level", C.c_uint32),
        ("device", C.c_char_p),
        ("device_timeout_s", C.c_uint32),
    ]


class PlanCfg(C.Structure):
    _fields_ = [
        ("size_bytes", C.c_uint32),
        ("n_ops", C.c_uint32),
        ("ops", C.POINTER(Op)),
        ("rules", C.POINTER(DrawRules)),
        ("src_channels", C.c_uint32),
        ("out_channels", C.c_uint32),
        ("element_bytes", C.c_uint32),
        ("is_hwc", C.c_uint32),
        ("resampler", C.c_uint32),
        ("pass_rule", C.c_uint32),
        ("pack_table", C.c_void_p),
        ("max_pixels", C.c_uint64),
    ]


class LoaderCfg(C.Structure):
    _fields_ = [
        ("size_bytes", C.c_uint32),
        ("n_streams", C.c_uint32),
        ("max_batches", C.c_uint32),
        ("max_batch_records", C.c_uint32),
    ]


class Need(C.Structure):
    _fields_ = [
        ("position", C.c_uint32),
        ("status", C.c_int32),
        ("index", C.c_uint64),
        ("batch", C.c_void_p),
        ("reason", C.c_char * 120),
    ]


class ImageInfo(C.Structure):
    _fields_ = [
        ("width_px", C.c_uint32),
        ("height_px", C.c_uint32),
        ("n_components", C.c_uint32),
        ("colour", C.c_uint32),
    ]


_U32, _U64, _I64, _F32, _SIZE, _PTR = (
    C.c_uint32,
    C.c_uint64,
    C.c_int64,
    C.c_float,
    C.c_size_t,
    C.c_void_p,
)
_OUT = C.POINTER(C.c_void_p)
_STATE = C.POINTER(RngState)
_RULES = C.POINTER(DrawRules)
_U32_OUT = C.POINTER(C.c_uint32)
# name: (result, arguments); _CHECKED results raise on a negative status
_STATUS = C.c_int32
_PROTOTYPES = {
    "dlop_version": (C.c_char_p, []),
    "dlop_build_info": (C.c_char_p, []),
    "dlop_status_text": (C.c_char_p, [_STATUS]),
    "dlop_ctx_cfg_init": (None, [C.POINTER(CtxCfg)]),
    "dlop_ctx_open": (_STATUS, [C.POINTER(CtxCfg), _OUT]),
    "dlop_ctx_close": (None, [_OUT]),
    "dlop_ctx_device": (C.c_char_p, [_PTR]),
    "dlop_ctx_n_units": (_U32, [_PTR]),
    "dlop_ctx_json": (_SIZE, [_PTR, C.c_char_p, _SIZE]),
    "dlop_default_n_threads": (_U32, []),
    "dlop_metrics_json": (_SIZE, [C.c_char_p, _SIZE]),
    "dlop_config_json": (_STATUS, [C.c_char_p, _SIZE, C.c_char_p, _SIZE]),
    "dlop_source_open_files": (_STATUS, [_PTR, C.c_char_p, _SIZE, _U64, _OUT]),
    "dlop_source_open_pixels": (_STATUS, [_PTR, _PTR, _U64, _U32, _U32, _U32, _OUT]),
    "dlop_source_close": (None, [_OUT]),
    "dlop_rng_seed": (None, [_STATE, _U64]),
    "dlop_rng_from_torch": (_STATUS, [_PTR, _SIZE, _STATE]),
    "dlop_rng_to_torch": (_STATUS, [_STATE, _PTR, _SIZE]),
    "dlop_draw_rules_init": (None, [_RULES]),
    "dlop_rng_uniform": (None, [_STATE, _RULES, _F32, _F32, _PTR, _SIZE]),
    "dlop_rng_randint": (None, [_STATE, _RULES, _I64, _I64, _PTR, _SIZE]),
    "dlop_rng_randperm": (None, [_STATE, _PTR, _SIZE]),
    "dlop_rng_seed64": (_I64, [_STATE]),
    "dlop_exp": (None, [_RULES, _PTR, _SIZE]),
    "dlop_plan_cfg_init": (None, [C.POINTER(PlanCfg)]),
    "dlop_plan_open": (_STATUS, [_PTR, C.POINTER(PlanCfg), _OUT, C.c_char_p, _SIZE]),
    "dlop_plan_close": (None, [_OUT]),
    "dlop_plan_out_size": (None, [_PTR, _U32_OUT, _U32_OUT]),
    "dlop_loader_cfg_init": (None, [C.POINTER(LoaderCfg)]),
    "dlop_loader_open": (_STATUS, [_PTR, _PTR, C.POINTER(LoaderCfg), _OUT]),
    "dlop_loader_close": (None, [_OUT]),
    "dlop_loader_set_stream": (_STATUS, [_PTR, _U32, _STATE]),
    "dlop_loader_get_stream": (_STATUS, [_PTR, _U32, _STATE]),
    "dlop_loader_submit": (_STATUS, [_PTR, _U32, _PTR, _U32, _PTR, _SIZE, _OUT]),
    "dlop_batch_wait": (_STATUS, [_PTR, _PTR, _U32, C.POINTER(Need)]),
    "dlop_batch_get_stream": (_STATUS, [_PTR, _PTR, _STATE, _STATE]),
    "dlop_batch_supply": (_STATUS, [_PTR, _PTR, _U32, _PTR, _U32, _U32]),
    "dlop_batch_fail": (_STATUS, [_PTR, _PTR, _U32]),
    "dlop_batch_skip": (_STATUS, [_PTR, _PTR, _U32]),
    "dlop_batch_release": (None, [_PTR, _OUT]),
    "dlop_jpeg_info": (_STATUS, [C.c_char_p, _SIZE, C.POINTER(ImageInfo), C.c_char_p, _SIZE]),
    "dlop_decoder_open": (_STATUS, [_U32, _OUT]),
    "dlop_decoder_close": (None, [_OUT]),
    "dlop_decoder_jpeg": (_STATUS, [_PTR, C.c_char_p, _SIZE, _U32, _PTR, _SIZE]),
    "dlop_plan_run_pixels": (
        _STATUS,
        [_PTR, _PTR, _STATE, _PTR, _U32, _U32, _PTR, _SIZE, _U32_OUT, _U32_OUT],
    ),
}


def library_path() -> str:
    """Where libdlop.so is: DLOP_LIBRARY, beside the installed package, or the build folder."""
    named = os.environ.get("DLOP_LIBRARY")
    if named:
        return named
    here = os.path.dirname(os.path.abspath(__file__))
    for relative in ("../libdlop.so", "../../../build/libdlop.so"):
        path = os.path.normpath(os.path.join(here, relative))
        if os.path.exists(path):
            return path
    raise LibraryError("libdlop.so not found (DLOP_LIBRARY names it)")


@functools.cache
def lib() -> C.CDLL:
    """The loaded library, its prototypes set and its version checked."""
    path = library_path()
    try:
        handle = C.CDLL(path)
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(handle, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise LibraryError(f"{path}: {error}") from error
    version = handle.dlop_version().decode()
    if version != VERSION:
        raise LibraryError(f"{path} has version {version}, the Python package {VERSION}")
    return handle


def check(status: int, what: str) -> int:
    """Raise LibraryError on a negative status, else return it."""
    if status < 0:
        text = lib().dlop_status_text(status).decode()
        raise LibraryError(f"{what}: {text} ({status})")
    return status


def config(kind: type[C.Structure], **fields: object) -> C.Structure:
    """A configuration structure with the library's defaults and these fields changed."""
    name = {
        CtxCfg: "dlop_ctx_cfg_init",
        PlanCfg: "dlop_plan_cfg_init",
        LoaderCfg: "dlop_loader_cfg_init",
        DrawRules: "dlop_draw_rules_init",
    }[kind]
    structure = kind()
    getattr(lib(), name)(C.byref(structure))
    for field, value in fields.items():
        setattr(structure, field, value)
    return structure


class Handle:
    """Owner of one library object: closed once, by the process that opened it."""

    def __init__(self, address: int | None, close: str, parent: int | None = None) -> None:
        self.address = address
        self._close, self._parent, self._pid = close, parent, os.getpid()

    def close(self) -> None:
        address, self.address = self.address, None
        if address is None or self._pid != os.getpid() or sys.is_finalizing():
            return  # after a fork the object is the parent's; at the end, order is no longer kept
        holder = C.c_void_p(address)
        function = getattr(lib(), self._close)
        if self._parent is None:
            function(C.byref(holder))
        else:
            function(self._parent, C.byref(holder))

    def __del__(self) -> None:
        with contextlib.suppress(Exception):  # interpreter shutdown: modules may be gone
            self.close()


class OptionError(Exception):
    """A DLOP_ variable of the environment has a value that it cannot have."""


def options() -> dict[str, Any]:
    """All options by their names on the command line, as the environment has them now."""
    text, reason = C.create_string_buffer(1 << 16), C.create_string_buffer(300)
    status = lib().dlop_config_json(text, len(text), reason, len(reason))
    if status == ERR_ARGUMENT:
        raise OptionError(reason.value.decode(errors="replace"))
    check(status, "cannot read the options")
    return json.loads(text.value)


_contexts: dict[tuple[Any, ...], Handle] = {}
_contexts_lock = threading.Lock()


def context() -> Handle:
    """This process's device as the options ask for it, opened at the first call; a forked
    child opens its own."""
    values = options()
    fields = {
        "n_threads": values["threads"],
        "n_readers": values["readers"],
        "vector_level": values["vector"],
        "device": values["device"].encode(),
        "device_timeout_s": max(values["device-timeout"], 1),
    }
    settings = (values[name] for name in ("sim", "ocl", "xrt", "xclbin"))
    key = (os.getpid(), *fields.values(), *settings)
    with _contexts_lock:
        handle = _contexts.get(key)
        if handle is None:
            cfg = config(CtxCfg, **fields)
            out = C.c_void_p()
            check(lib().dlop_ctx_open(C.byref(cfg), C.byref(out)), "cannot open the device")
            handle = _contexts[key] = Handle(out.value, "dlop_ctx_close")
        return handle


def decoder() -> Handle:
    """A decoder for one thread."""
    out = C.c_void_p()
    check(lib().dlop_decoder_open(0xFFFFFFFF, C.byref(out)), "cannot open a decoder")
    return Handle(out.value, "dlop_decoder_close")


def _json(function: Any, *arguments: Any) -> Any:
    """What a library function with a text and its size as last arguments says."""
    size = function(*arguments, None, 0) + 4096  # counters grow between the two calls
    text = C.create_string_buffer(size)
    function(*arguments, text, size)
    return json.loads(text.value)


def metrics() -> Any:
    """All metrics of this process."""
    return _json(lib().dlop_metrics_json)


def devices() -> list[Any]:
    """The devices of each context of this process, with their counters and events."""
    with _contexts_lock:
        mine = [h for key, h in _contexts.items() if key[0] == os.getpid() and h.address]
        return [_json(lib().dlop_ctx_json, handle.address) for handle in mine]
