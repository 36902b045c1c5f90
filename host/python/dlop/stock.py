"""Is this still the framework's own code? Functions, classes, instances and whole modules.

Key idea: a function belongs to the framework when its code object was compiled from a file under
one of the framework's own folders (torch, torchvision, Pillow, NumPy, the standard library). A
monkeypatch, a subclass or a hook on an instance comes from somewhere else and is found without any
list of versions. Not here: what the code does.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
import types
from collections.abc import Iterable
from typing import Any

_PACKAGES = ("torch", "torchvision", "PIL", "numpy", "typing_extensions")
_MODULE_HOOKS = ("_forward_hooks", "_forward_pre_hooks")
_GLOBAL_HOOKS = ("_global_forward_hooks", "_global_forward_pre_hooks")


class Modified(Exception):
    """Something is not the framework's own code; the text names it."""


@functools.lru_cache(maxsize=8)
def _roots(loaded: tuple[str, ...]) -> tuple[str, ...]:
    """Folders, and files of packages of one file, whose code counts as the framework's."""
    roots = [sysconfig.get_path("stdlib") + os.sep, "<frozen "]
    for name in loaded:
        file = getattr(sys.modules[name], "__file__", None) or "<none>"
        is_package = os.path.basename(file).startswith("__init__.")
        roots.append(os.path.dirname(file) + os.sep if is_package else file)
    return tuple(roots)


@functools.lru_cache(maxsize=8192)
def _is_in_roots(name: str, loaded: tuple[str, ...]) -> bool:
    in_packages = "-packages" + os.sep in name  # conda keeps them inside the standard library
    return any(
        name.startswith(root) and (not in_packages or "-packages" in root)
        for root in _roots(loaded)
    )


def _is_ours(function: types.FunctionType) -> bool:
    name = function.__code__.co_filename
    if name == "<string>":  # generated: data classes, named tuples
        return function.__globals__.get("__name__", "").split(".")[0] in _PACKAGES
    return _is_in_roots(name, tuple(n for n in _PACKAGES if n in sys.modules))


def is_stock_function(function: Any) -> bool:
    """True for builtins and for functions compiled from the framework's files."""
    function = getattr(function, "__func__", function)
    function = getattr(function, "_dlop_stock", function)  # our own swap of it (tier B)
    if not isinstance(function, types.FunctionType):
        return isinstance(function, (types.BuiltinFunctionType, type))
    wrapped = getattr(function, "__wrapped__", None)
    if wrapped is not None and not is_stock_function(wrapped):
        return False
    return _is_ours(function)


def check_function(function: Any, name: str) -> None:
    """Raise Modified where `function` is not the framework's own."""
    if not is_stock_function(function):
        raise Modified(f"{name} was replaced")


def check_class(cls: type) -> None:
    """Raise Modified where a method of cls or of its bases is not the framework's own."""
    for base in cls.__mro__[:-1]:
        for name, value in list(vars(base).items()):
            if isinstance(value, property):
                value = value.fget
            if isinstance(value, (staticmethod, classmethod)):
                value = value.__func__
            if isinstance(value, types.FunctionType) and not is_stock_function(value):
                raise Modified(f"{cls.__name__}.{name} was replaced")


def check_instance(thing: Any) -> None:
    """check_class, and no method overridden and no hook registered on this one object."""
    cls = type(thing)
    check_class(cls)
    for name in getattr(thing, "__dict__", ()):
        if isinstance(getattr(cls, name, None), types.FunctionType):
            raise Modified(f"{cls.__name__}.{name} is overridden on the object")
    for name in _MODULE_HOOKS:
        if getattr(thing, name, None):
            raise Modified(f"{cls.__name__} has a forward hook")


def check_global_hooks() -> None:
    """Raise Modified where a hook runs around every torch module."""
    module = sys.modules.get("torch.nn.modules.module")
    for name in _GLOBAL_HOOKS:
        if getattr(module, name, None):
            raise Modified("a global forward hook is registered")


def check_modules(names: Iterable[str]) -> None:
    """Raise Modified where a function of one of these modules (if loaded) was replaced."""
    for name in names:
        module = sys.modules.get(name)
        if module is None:
            continue
        for attribute, value in list(vars(module).items()):
            if isinstance(value, types.FunctionType) and not is_stock_function(value):
                raise Modified(f"{name}.{attribute} was replaced")
