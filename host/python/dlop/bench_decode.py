"""`dlop bench decode`: whole photographs to RGB, our decoder beside libjpeg-turbo.

Key idea: both decode the same bytes from memory into the same kind of buffer, through one foreign
call per image each, so the call's cost is equal and small; pixels are compared before anything is
timed. libjpeg-turbo is used through TurboJPEG, opened at run time. Needs no torch. Not here:
crops, resizing, files (`dlop bench loader`).
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes as C
import ctypes.util
import os
import statistics
import sys
import time
from collections.abc import Callable
from typing import Any

from . import _lib, bench_common, bench_plot

SCHEMA = "dlop.bench.decode/1"
_NAMES = ("libjpeg-turbo", "dlop")
_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")
_TJPF_RGB = 0
_TJFLAG_ACCURATEDCT = 4096
_PIPE_BYTE = b"x"
_MIN_S = 0.4  # few small pictures are decoded again and again for as long

Decode = Callable[[bytes, Any, int, int], bool]


def _options(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="dlop bench decode",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Decodes the JPEG files below DIR from memory to RGB, whole pictures, with\n"
        "DLOP's kernels on the CPU and with libjpeg-turbo, after comparing their pixels.",
        epilog="Example: dlop bench decode --data photos --cores 1 --json decode.json\n"
        "Exit status 1 where a pixel differs. DLOP_VECTOR masks vector code, as everywhere.",
    )
    parser.add_argument("--data", required=True, metavar="DIR", help="folder with photographs")
    parser.add_argument("--cores", type=int, default=1, help="processes, each on one core (1)")
    parser.add_argument("--rounds", type=int, default=5, help="interleaved rounds (5)")
    parser.add_argument("--limit", type=int, default=0, help="N files only, spread over all")
    parser.add_argument("--turbojpeg", metavar="FILE", help="the TurboJPEG library to use")
    parser.add_argument("--json", metavar="FILE", help=f"write {SCHEMA}; - is standard output")
    parser.add_argument("--plot", metavar="FILE", help="draw the result: .svg or .png")
    options = parser.parse_args(arguments)
    available = len(os.sched_getaffinity(0))
    if not 1 <= options.cores <= available:
        parser.error(f"--cores: {available} cores are available")
    if options.rounds < 1 or options.limit < 0:
        parser.error("--rounds, --limit: out of range")
    bench_plot.check_name(parser, options.plot)
    return options


def _open_dlop() -> Decode:
    out = C.c_void_p()
    status = _lib.lib().dlop_decoder_open(_lib.options()["vector"], C.byref(out))
    _lib.check(status, "cannot open a decoder")
    handle = _lib.Handle(out.value, "dlop_decoder_close")
    decode, address = _lib.lib().dlop_decoder_jpeg, handle.address

    def call(data: bytes, pixels: Any, width: int, height: int, _owner: Any = handle) -> bool:
        return decode(address, data, len(data), 3, pixels, width * height * 3) == 0

    return call


def open_turbojpeg(path: str | None) -> C.CDLL:
    """The library with its prototypes. OSError: it is not there."""
    name = path or ctypes.util.find_library("turbojpeg")
    if not name:
        raise OSError("TurboJPEG is not installed (Debian: libturbojpeg0), or name it: --turbojpeg")
    library = C.CDLL(name)
    library.tjInitDecompress.restype = C.c_void_p
    library.tjDestroy.argtypes = [C.c_void_p]
    library.tjDecompress2.argtypes = [
        *(C.c_void_p, C.c_char_p, C.c_ulong, C.c_void_p),
        *(C.c_int, C.c_int, C.c_int, C.c_int, C.c_int),
    ]
    return library


def _open_turbo(path: str | None) -> Decode:
    library = open_turbojpeg(path)
    handle, decode = library.tjInitDecompress(), library.tjDecompress2

    def call(data: bytes, pixels: Any, width: int, height: int) -> bool:
        size = (width, width * 3, height, _TJPF_RGB, _TJFLAG_ACCURATEDCT)
        return decode(handle, data, len(data), pixels, *size) == 0

    return call


def _openers(options: argparse.Namespace) -> dict[str, Callable[[], Decode]]:
    return {"libjpeg-turbo": lambda: _open_turbo(options.turbojpeg), "dlop": _open_dlop}


def find(folder: str, limit: int) -> list[str]:
    """JPEG files below a folder, at most limit of them (0: all), spread over all."""
    paths = []
    for base, _, names in os.walk(folder):
        paths += [os.path.join(base, n) for n in names if n.lower().endswith(_SUFFIXES)]
    paths.sort()
    n = min(limit or len(paths), len(paths))
    return [paths[int(k * len(paths) / n)] for k in range(n)]


class Photo:
    """A file's bytes and the size of its picture."""

    def __init__(self, path: str) -> None:
        with open(path, "rb") as file:
            self.data = file.read()
        info, reason = _lib.ImageInfo(), C.create_string_buffer(128)
        status = _lib.lib().dlop_jpeg_info(self.data, len(self.data), C.byref(info), reason, 128)
        self.reason = reason.value.decode(errors="replace") if status < 0 else ""
        self.width, self.height = info.width_px, info.height_px
        self.n_bytes = self.width * self.height * 3


def _compare(photos: list[Photo], openers: dict[str, Callable[[], Decode]]) -> dict[str, Any]:
    """Decode each photograph with both; which differ by place in the list, and which one of the
    two cannot decode."""
    turbo, ours = (openers[name]() for name in _NAMES)
    size = max(photo.n_bytes for photo in photos)
    wanted, made = C.create_string_buffer(size), C.create_string_buffer(size)
    differing, failed = [], []
    for k, photo in enumerate(photos):
        shape = (photo.width, photo.height)
        if not (turbo(photo.data, wanted, *shape) and ours(photo.data, made, *shape)):
            failed.append(k)
        elif memoryview(wanted)[: photo.n_bytes] != memoryview(made)[: photo.n_bytes]:
            differing.append(k)
    return {"differing": differing, "failed": failed}


def _share(photos: list[Photo], opener: Callable[[], Decode], ready: int, go: int) -> list[float]:
    """Decode all of these once or more: [wall seconds, CPU seconds, times], after some pictures
    of warming up and a word from the parent."""
    decode = opener()
    pixels = C.create_string_buffer(max(photo.n_bytes for photo in photos))
    for photo in photos[:8]:
        decode(photo.data, pixels, photo.width, photo.height)
    os.write(ready, _PIPE_BYTE)
    os.read(go, 1)
    wall, cpu, n_passes = 0.0, time.process_time(), 0
    begin = time.perf_counter()
    while wall < _MIN_S:
        for photo in photos:
            decode(photo.data, pixels, photo.width, photo.height)
        wall, n_passes = time.perf_counter() - begin, n_passes + 1
    return [wall, time.process_time() - cpu, n_passes]


def _measure(
    photos: list[Photo], opener: Callable[[], Decode], cores: list[int]
) -> dict[str, float]:
    """All photographs, shared out over processes that start together."""
    ready, go = os.pipe(), os.pipe()
    shares = [photos[k :: len(cores)] for k in range(len(cores))]
    links, pids = [], []
    for share, core in zip(shares, cores):
        source, sink = os.pipe()
        pid = os.fork()
        if pid == 0:
            with contextlib.suppress(BaseException):
                os.close(ready[0])
                os.sched_setaffinity(0, [core])
                values = _share(share, opener, ready[1], go[0])
                os.write(sink, " ".join(map(repr, values)).encode())
            os._exit(0)
        os.close(sink)
        links.append(source)
        pids.append(pid)
    os.close(ready[1])
    for _ in cores:
        if not os.read(ready[0], 1):
            raise RuntimeError("a decoding process ended before it began")
    os.write(go[1], _PIPE_BYTE * len(cores))
    times = [[float(v) for v in os.read(link, 256).split()] for link in links]
    for pid in pids:
        os.waitpid(pid, 0)
    if not all(times):
        raise RuntimeError("a decoding process ended too early")
    return _figures(shares, times)


def _figures(shares: list[list[Photo]], times: list[list[float]]) -> dict[str, float]:
    """Rates of processes that worked side by side, each through its own share."""
    images_per_s = mb_per_s = mpx_per_s = cpu = n = 0.0
    for share, (wall, cpu_s, n_passes) in zip(shares, times):
        images_per_s += n_passes * len(share) / wall
        mb_per_s += n_passes * sum(len(photo.data) for photo in share) / wall / 1e6
        mpx_per_s += n_passes * sum(photo.n_bytes for photo in share) / wall / 3e6
        cpu, n = cpu + cpu_s, n + n_passes * len(share)
    return {
        "images_per_s": images_per_s,
        "mb_per_s": mb_per_s,
        "mpx_per_s": mpx_per_s,
        "cpu_ms_per_image": cpu / n * 1e3,
    }


def bench(options: argparse.Namespace) -> dict[str, Any]:
    """Measure; the result has the form of SCHEMA."""
    paths = find(options.data, options.limit)
    if not paths:
        raise OSError(f"no JPEG files below {options.data}")
    openers, cores = _openers(options), bench_common.pinned_cores(options.cores)
    open_turbojpeg(options.turbojpeg)
    every = [Photo(path) for path in paths]
    refused = {p: photo.reason for p, photo in zip(paths, every) if photo.reason}
    pairs = [(p, photo) for p, photo in zip(paths, every) if not photo.reason]
    if not pairs:
        raise OSError(f"no kernel takes any file below {options.data}")
    kept = [photo for _, photo in pairs]
    found = bench_common.in_child(lambda: _compare(kept, openers), cores)
    refused.update({pairs[k][0]: "one of the two decoders refuses it" for k in found["failed"]})
    photos = [photo for k, photo in enumerate(kept) if k not in set(found["failed"])]
    if len(photos) < len(cores):
        raise OSError(f"only {len(photos)} files can be decoded by both")
    sequence, runs = bench_common.order(_NAMES, options.rounds), []
    progress = bench_common.Progress(len(sequence))
    for name in sequence:
        run = lambda: _measure(photos, openers[name], cores)  # noqa: B023, E731
        runs.append(bench_common.in_child(run, cores))
        progress.step(f"{name} {runs[-1]['images_per_s']:.0f} images/s")
    progress.close()
    return {
        "schema": SCHEMA,
        "data": {
            "images": len(photos),
            "mean_bytes": round(sum(len(photo.data) for photo in photos) / len(photos)),
            "mean_px": round(sum(photo.n_bytes for photo in photos) / 3 / len(photos)),
            "left_out": refused,
        },
        "cores": options.cores,
        "rounds": options.rounds,
        "contestants": [_contestant(name, sequence, runs) for name in _NAMES],
        "ratio": {
            "wall": _ratio(sequence, runs, "images_per_s"),
            "cpu": 1 / _ratio(sequence, runs, "cpu_ms_per_image"),
        },
        "equal": not found["differing"],
        "differing": [pairs[k][0] for k in found["differing"]],
        "machine": {**bench_common.machine(), "turbojpeg": _turbojpeg_path(options.turbojpeg)},
    }


def _turbojpeg_path(path: str | None) -> str:
    """The file behind the name that was opened."""
    open_turbojpeg(path)
    with open("/proc/self/maps", encoding="utf-8") as file:
        found = [line.split()[-1] for line in file if "turbojpeg" in line]
    return found[0] if found else path or "libturbojpeg"


def _ratio(sequence: list[str], runs: list[Any], key: str) -> float:
    return statistics.median(bench_common.ratios(sequence, runs, "dlop", key))


def _contestant(name: str, sequence: list[str], runs: list[Any]) -> dict[str, Any]:
    mine = [run for who, run in zip(sequence, runs) if who == name]
    return {"name": name, **bench_common.medians(mine), "spread": bench_common.spread(mine)}


def show(result: dict[str, Any]) -> None:
    """The result as a table."""
    data = result["data"]
    print(
        f"{data['images']} photographs of {data['mean_bytes']} bytes and "
        f"{data['mean_px'] / 1e6:.2f} Mpx, whole pictures to RGB, {result['cores']} core(s)"
    )
    if data["left_out"]:
        print(f"{len(data['left_out'])} files were left out: not for both decoders")
    print(f"{'':14}{'images/s':>10}{'quartiles':>16}{'MB/s':>8}{'CPU ms/image':>14}")
    for one in result["contestants"]:
        lower, upper = one["spread"]["images_per_s"]
        print(
            f"{one['name']:14}{one['images_per_s']:10.1f}{f'{lower:.0f} to {upper:.0f}':>16}"
            f"{one['mb_per_s']:8.1f}{one['cpu_ms_per_image']:14.3f}"
        )
    ratio = result["ratio"]
    print(f"{'ratio':14}{ratio['wall']:10.2f}{'':24}{ratio['cpu']:14.2f}")
    print(f"pixels equal: {'yes' if result['equal'] else 'NO'}")
    for path in result["differing"][:5]:
        print(f"  differs: {path}")


def _plot(path: str, result: dict[str, Any]) -> None:
    title = f"Whole JPEG to RGB, {result['cores']} core(s)"
    bench_plot.write_contestants(path, title, result["contestants"])


def main(arguments: list[str] | None = None) -> int:
    """Exit status: 0 done and equal, 1 not, 2 wrong usage (from argparse), 130 interrupted."""
    options = _options(sys.argv[1:] if arguments is None else arguments)
    command = bench_common.Command(bench, show, _plot, lambda result: result["equal"])
    return bench_common.run_main(command, options)


if __name__ == "__main__":
    sys.exit(main())
