"""A script's dataset as numbered records: files or arrays, with targets and a way to find them.

Key idea: wrappers (Subset, ConcatDataset) only renumber. A resolver turns the index that the
sampler gives into the number of a record; what it does not understand it refuses, and the caller
lets the dataset itself answer, so that errors stay the dataset's own. Targets are taken down when
the iterator is made, as a worker process would have.
"""

from __future__ import annotations

import bisect
import functools
import operator
import os
import sys
import types
import weakref
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from . import stock
from .transforms import Unmapped, describe

_MAX_DISTINCT_TARGETS = 100_000
_PURE_BUILTINS = {int, float, str, bool, abs, len, min, max, tuple, list, round, divmod}


@dataclass
class Base:
    """One dataset with records of its own."""

    kind: str  # "files" or "pixels"
    mode: str  # what the transform is given: "RGB", "L", "tensor"
    dataset: Any
    n: int
    paths: list[str] | None
    pixels: Any  # numpy array [n][h][w] or [n][h][w][c]
    targets: Sequence[Any]
    loader: Callable[[str], Any] | None
    sources: dict[Any, Any] = field(default_factory=dict, repr=False)  # see job.Job.source


@dataclass
class Records:
    """All records of a loader's dataset, bases one after the other."""

    name: str
    bases: list[Base]
    starts: list[int]
    resolve: Callable[[Any], int]
    n: int
    is_plain: bool  # an index from 0 to n - 1 is the record's number

    def resolve_all(self, indices: Sequence[Any]) -> list[int]:
        """Record numbers of a batch; an exception where the dataset has to answer itself."""
        is_int = self.is_plain and {*map(type, indices)} == {int}
        if is_int and min(indices) >= 0 and max(indices) < self.n:
            return list(indices)
        return [self.resolve(index) for index in indices]

    def base_of(self, record: int) -> tuple[Base, int]:
        k = bisect.bisect_right(self.starts, record) - 1
        return self.bases[k], record - self.starts[k]

    def target(self, record: int) -> Any:
        base, number = self.base_of(record)
        return base.targets[number]

    def targets(self, records: list[int]) -> list[Any]:
        if len(self.bases) > 1:
            return [self.target(record) for record in records]
        targets = self.bases[0].targets
        return [targets[record] for record in records]

    def path(self, record: int) -> str:
        base, number = self.base_of(record)
        return base.paths[number] if base.paths is not None else f"record {number}"


def recognise(dataset: Any) -> Records:
    """The records of a dataset; raises Unmapped or stock.Modified with the first obstacle."""
    bases: list[Base] = []
    starts: list[int] = []
    resolve = _walk(dataset, bases, starts)
    n = sum(base.n for base in bases)
    if len({(base.kind, base.mode) for base in bases}) != 1:
        raise Unmapped("datasets of different kinds in one loader")
    return Records(_name(dataset), bases, starts, resolve, n, bases[0].dataset is dataset)


def _name(dataset: Any) -> str:
    inner = getattr(dataset, "dataset", None)
    if type(dataset).__name__ == "Subset" and inner is not None:
        return f"Subset of {_name(inner)}"
    return type(dataset).__name__


def _walk(dataset: Any, bases: list[Base], starts: list[int]) -> Callable[[Any], int]:
    """Append the bases below `dataset`; return index -> record number."""
    from torch.utils.data import dataset as stock_datasets

    cls = type(dataset)
    if cls is stock_datasets.Subset:
        stock.check_instance(dataset)
        return _subset_resolver(dataset, _walk(dataset.dataset, bases, starts))
    if cls is stock_datasets.ConcatDataset:
        stock.check_instance(dataset)
        parts = [_walk(part, bases, starts) for part in dataset.datasets]
        return _concat_resolver(list(dataset.cumulative_sizes), parts)
    base = _base(dataset)
    start = sum(b.n for b in bases)
    bases.append(base)
    starts.append(start)
    return functools.partial(_plain_index, start, base.n)


def _as_int(index: Any) -> int:
    """Index of a kind that a list and an array treat alike."""
    if isinstance(index, bool):
        raise TypeError("bool")
    return operator.index(index)


def _plain_index(start: int, n: int, index: Any) -> int:
    number = _as_int(index)
    if number < 0:
        number += n
    if not 0 <= number < n:
        raise IndexError(index)
    return start + number


def _subset_resolver(subset: Any, inner: Callable[[Any], int]) -> Callable[[Any], int]:
    indices = subset.indices
    if isinstance(indices, list):
        indices = list(indices)  # as it is now
    elif not isinstance(indices, (range, tuple)) and not hasattr(indices, "__array__"):
        raise Unmapped(f"Subset with indices of type {type(indices).__name__}")

    def resolve(index: Any) -> int:
        return inner(indices[_as_int(index)])

    return resolve


def _concat_resolver(
    cumulative: list[int], parts: list[Callable[[Any], int]]
) -> Callable[[Any], int]:
    def resolve(index: Any) -> int:
        number = _as_int(index)
        if number < 0:
            if -number > cumulative[-1]:
                raise ValueError(index)
            number += cumulative[-1]
        k = bisect.bisect_right(cumulative, number)
        return parts[k](number - (cumulative[k - 1] if k else 0))

    return resolve


# ---- datasets with records of their own ----------------------------------------------------------


def _base(dataset: Any) -> Base:
    cls = type(dataset)
    for module_name, names, make in (
        ("torchvision.datasets.folder", ("ImageFolder", "DatasetFolder"), _folder),
        ("torchvision.datasets.cifar", ("CIFAR10", "CIFAR100"), _cifar),
        (
            "torchvision.datasets.mnist",
            ("MNIST", "FashionMNIST", "KMNIST", "EMNIST", "QMNIST"),
            _mnist,
        ),
    ):
        module = sys.modules.get(module_name)
        if module is None or cls.__name__ not in names:
            continue
        if getattr(module, cls.__name__, None) is cls:
            stock.check_instance(dataset)
            return make(dataset, module)
    raise Unmapped(f"dataset {describe(cls)}")


def _folder(dataset: Any, module: Any) -> Base:
    mode = loader_mode(dataset.loader)
    samples = dataset.samples
    if type(samples) is not list:
        raise Unmapped(f"samples of type {type(samples).__name__}")
    if samples and (len(samples[0]) != 2 or type(samples[0][0]) is not str):
        raise Unmapped("samples that are not (path, target)")
    known = _folders.get(dataset)
    if known is not None:
        was, base = known
        if was == (samples, dataset.loader, dataset.target_transform, os.getcwd()):
            return base
    base = _read_folder(dataset, mode, samples)
    _folders[dataset] = (
        (list(samples), dataset.loader, dataset.target_transform, os.getcwd()),
        base,
    )
    return base


_folders: weakref.WeakKeyDictionary[Any, Any] = weakref.WeakKeyDictionary()


def _read_folder(dataset: Any, mode: str, samples: list[Any]) -> Base:
    paths = [path for path, _ in samples]
    if any("\0" in path for path in paths):
        raise Unmapped("a path with a zero byte")
    targets = _transformed([t for _, t in samples], dataset.target_transform)
    return Base("files", mode, dataset, len(samples), paths, None, targets, dataset.loader)


def loader_mode(loader: Any) -> str:
    """What a stock image loader gives: "RGB" (Pillow) or "tensor"; Unmapped for all others."""
    import torchvision

    folder = sys.modules["torchvision.datasets.folder"]
    if loader is folder.default_loader or loader is folder.pil_loader:
        stock.check_function(loader, "the dataset's loader")
        stock.check_function(folder.pil_loader, "pil_loader")
        check_pillow()
        if loader is folder.default_loader and torchvision.get_image_backend() != "PIL":
            raise Unmapped(f"image backend {torchvision.get_image_backend()}")
        return "RGB"
    io = sys.modules.get("torchvision.io.image")
    if io is not None and isinstance(loader, functools.partial) and _gives_rgb(loader, io):
        stock.check_modules(("torchvision.io.image",))
        return "tensor"
    raise Unmapped(f"loader {describe(loader)}")


def _gives_rgb(loader: functools.partial[Any], io: Any) -> bool:
    """partial(read_image or decode_image, mode=RGB) and nothing else."""
    if loader.func not in (io.read_image, getattr(io, "decode_image", None)) or loader.args:
        return False
    mode = loader.keywords.get("mode")
    is_rgb = mode is io.ImageReadMode.RGB or (isinstance(mode, str) and mode == "RGB")
    return is_rgb and set(loader.keywords) == {"mode"} and _takes_path(loader.func, mode)


def _takes_path(function: Any, mode: Any) -> bool:
    """Newer releases let decode_image open files and take the mode as text; older ones raise."""
    code = function.__code__
    opens = function.__name__ == "read_image" or "read_file" in code.co_names
    return opens and (not isinstance(mode, str) or "upper" in code.co_names + _upper(function))


def _upper(function: Any) -> tuple[str, ...]:
    inner = function.__globals__.get("decode_image")
    return inner.__code__.co_names if inner is not None else ()


def check_pillow() -> None:
    """Raise stock.Modified where Pillow's way to a JPEG's pixels was replaced."""
    from PIL import Image, ImageFile, JpegImagePlugin

    stock.check_modules(("PIL.Image", "PIL.ImageFile", "PIL.JpegImagePlugin", "PIL.ImageOps"))
    for cls in (Image.Image, ImageFile.ImageFile, JpegImagePlugin.JpegImageFile):
        stock.check_class(cls)
    opener = Image.OPEN.get("JPEG")
    if opener is not None:
        stock.check_function(opener[0], "Pillow's JPEG opener")


def _cifar(dataset: Any, module: Any) -> Base:
    import numpy

    pixels = dataset.data
    if type(pixels) is not numpy.ndarray or pixels.dtype != numpy.uint8 or pixels.ndim != 4:
        raise Unmapped("CIFAR data of another type")
    if pixels.shape[3] != 3:
        raise Unmapped("CIFAR data of another shape")
    targets = _transformed(list(dataset.targets), dataset.target_transform)
    if len(targets) < len(pixels):
        raise Unmapped("fewer targets than images")
    pixels = numpy.ascontiguousarray(pixels)
    return Base("pixels", "RGB", dataset, len(pixels), None, pixels, targets, None)


def _mnist(dataset: Any, module: Any) -> Base:
    import numpy
    import torch

    data = dataset.data
    if type(data) is not torch.Tensor or data.dtype is not torch.uint8 or data.dim() != 3:
        raise Unmapped("MNIST data of another type")
    targets: list[Any]
    if type(dataset).__name__ == "QMNIST":
        rows = dataset.targets
        targets = [int(row[0]) for row in rows.tolist()] if dataset.compat else list(rows)
    else:
        raw = dataset.targets
        targets = [int(t) for t in (raw.tolist() if hasattr(raw, "tolist") else raw)]
    if len(targets) < len(data):
        raise Unmapped("fewer targets than images")
    pixels = numpy.ascontiguousarray(data.numpy())
    targets = _transformed(targets, dataset.target_transform)
    return Base("pixels", "L", dataset, len(pixels), None, pixels, targets, None)


# ---- targets -------------------------------------------------------------------------------------


def _transformed(targets: list[Any], transform: Any) -> list[Any]:
    """Targets after a transform that is known to draw nothing and to depend on nothing else."""
    if transform is None:
        return targets
    if not is_pure(transform):
        raise Unmapped(f"target_transform {describe(transform)} may draw random numbers")
    results: dict[Any, Any] = {}
    try:
        for target in targets:
            key = (type(target), target)
            if key not in results:
                results[key] = transform(target)
                if len(results) > _MAX_DISTINCT_TARGETS:
                    raise Unmapped("target_transform with very many different targets")
    except Unmapped:
        raise
    except Exception as error:
        raise Unmapped(f"target_transform raises {type(error).__name__}") from error
    if any(not isinstance(r, (int, float, str)) for r in results.values()):
        raise Unmapped("target_transform that does not give numbers")
    return [results[(type(target), target)] for target in targets]


def is_pure(function: Any) -> bool:
    """A function that can reach nothing but its argument, constants and a few builtins."""
    owner = getattr(function, "__self__", None)
    if isinstance(function, (type, types.BuiltinFunctionType, types.MethodWrapperType)):
        is_lookup = type(owner) in (dict, list, tuple) and _is_plain(owner)
        return function in _PURE_BUILTINS or (
            is_lookup and function.__name__ in ("get", "__getitem__")
        )
    if type(function) is not types.FunctionType:
        return False
    if any(type(k) is types.CodeType for k in function.__code__.co_consts):
        return False
    for name in function.__code__.co_names:
        value = function.__globals__.get(name, getattr(sys.modules["builtins"], name, None))
        if not (
            _is_plain(value)
            or (isinstance(value, (types.BuiltinFunctionType, type)) and value in _PURE_BUILTINS)
        ):
            return False
    cells = [c.cell_contents for c in function.__closure__ or ()]
    return all(_is_plain(v) for v in [*cells, *(function.__defaults__ or ())])


def _is_plain(value: Any) -> bool:
    if type(value) in (int, float, str, bool):
        return True
    if type(value) in (list, tuple):
        return all(_is_plain(v) for v in value)
    if type(value) is dict:
        return all(_is_plain(k) and _is_plain(v) for k, v in value.items())
    return False


def source_paths(records: Records, absolute: bool) -> tuple[bytes, int]:
    """Zero-terminated names of all files; absolute: a script may change its folder meanwhile."""
    here = os.getcwd() if absolute else ""
    names = [
        os.fsencode(os.path.join(here, path)) for base in records.bases for path in base.paths or ()
    ]
    return b"\0".join(names) + b"\0", len(names)
