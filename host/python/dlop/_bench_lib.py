"""libdlop_bench.so through ctypes: what `dlop bench` measures in C (host/bench).

It has a copy of the library's code inside and stands beside libdlop.so. Nothing is loaded before
the first call of lib().
"""

from __future__ import annotations

import ctypes as C
import functools
import os

from . import _lib

END = 2
_OUT = C.POINTER(C.c_void_p)


class TurboCfg(C.Structure):
    _fields_ = [
        ("n_threads", C.c_uint32),
        ("batch_size", C.c_uint32),
        ("is_fixed", C.c_uint32),
        ("pass_rule", C.c_uint32),
        ("seed", C.c_uint64),
    ]


_TEXT_OUT, _U32_OUT = C.POINTER(C.c_char_p), C.POINTER(C.c_uint32)
_PROTOTYPES = {
    "dlop_bench_kernels_open": (C.c_int32, [_OUT]),
    "dlop_bench_kernels_close": (None, [_OUT]),
    "dlop_bench_kernels_add": (C.c_int32, [C.c_void_p, C.c_char_p, C.c_size_t]),
    "dlop_bench_kernels_case": (C.c_char_p, [C.c_void_p, C.c_uint32, _TEXT_OUT, _TEXT_OUT]),
    "dlop_bench_kernels_level": (C.c_char_p, [C.c_uint32, _U32_OUT, _U32_OUT]),
    "dlop_bench_kernels_run": (
        C.c_int32,
        [C.c_void_p, C.c_uint32, C.c_uint32, C.c_uint64, C.POINTER(C.c_double)],
    ),
    "dlop_bench_turbo_open": (
        C.c_int32,
        [C.c_char_p, C.c_size_t, C.c_uint32, C.POINTER(TurboCfg), _OUT],
    ),
    "dlop_bench_turbo_close": (None, [_OUT]),
    "dlop_bench_turbo_start": (C.c_int32, [C.c_void_p, C.POINTER(C.c_uint32)]),
    "dlop_bench_turbo_next": (C.c_int32, [C.c_void_p, _OUT, C.POINTER(C.c_uint32)]),
    "dlop_bench_turbo_error": (C.c_char_p, [C.c_void_p]),
    "dlop_bench_turbo_version": (C.c_char_p, []),
}


def library_path() -> str:
    """Where the library is, or would be."""
    return os.path.join(os.path.dirname(os.path.realpath(_lib.library_path())), "libdlop_bench.so")


@functools.cache
def lib() -> C.CDLL:
    """The loaded library with its prototypes. LibraryError: it is not there."""
    try:
        handle = C.CDLL(library_path())
        for name, (result, arguments) in _PROTOTYPES.items():
            function = getattr(handle, name)
            function.restype, function.argtypes = result, arguments
    except (OSError, AttributeError) as error:
        raise _lib.LibraryError(f"{library_path()}: {error}") from error
    return handle
