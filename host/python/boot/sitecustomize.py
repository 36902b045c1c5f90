"""Start of every Python process under `dlop run`: find this folder first on PYTHONPATH, wait.

Key idea: nothing is imported here but what the interpreter has loaded anyway. A finder on
sys.meta_path notices the import of torch's loader module and hands it, executed, to dlop.hook.
Processes that never import torch pay for one list entry and one datagram.

`dlop run` listens on the abstract socket named by DLOP_HELLO: "PID boot" comes from every process,
"PID torch" once the loader module is patched, so that it can say that nothing attached. A socket
leaves nothing in the file system.
Whatever goes wrong in here is reported in one line and never reaches the script.
"""

import os
import sys

_HERE = os.path.dirname(os.path.abspath(__file__))
_PACKAGE = os.path.join(os.path.dirname(_HERE), "dlop")
_WATCHED = {
    "torch.utils.data.dataloader": "patch_torch",
    "torchdata.stateful_dataloader.stateful_dataloader": "patch_torchdata",
}


def _hello(event):
    name = os.environ.get("DLOP_HELLO")
    if not name:
        return
    import _socket

    try:
        link = _socket.socket(_socket.AF_UNIX, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
        try:
            message = f"{os.getpid()} {event}"
            link.sendto(message.encode(), _socket.MSG_DONTWAIT, b"\0" + os.fsencode(name))
        finally:
            link.close()
    except OSError:
        pass  # the parent is gone


class _Finder:
    """Meta-path finder: serves the package dlop itself, and runs a patch after a watched module."""

    busy = False

    def find_spec(self, name, path=None, target=None):
        if name == "dlop":
            return self._package_spec(name)
        if name not in _WATCHED or self.busy:
            return None
        self.busy = True
        try:
            spec = self._next_spec(name, path, target)
        finally:
            self.busy = False
        if spec is not None and spec.loader is not None:
            self._run_after(spec, _WATCHED[name])
        return spec

    @staticmethod
    def _package_spec(name):
        from importlib.util import spec_from_file_location

        init = os.path.join(_PACKAGE, "__init__.py")
        return spec_from_file_location(name, init, submodule_search_locations=[_PACKAGE])

    def _next_spec(self, name, path, target):
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            if finder is self or find is None:
                continue
            spec = find(name, path, target)
            if spec is not None:
                return spec
        return None

    @staticmethod
    def _run_after(spec, patch):
        execute = spec.loader.exec_module

        def exec_module(module):
            execute(module)
            try:
                import dlop.hook

                getattr(dlop.hook, patch)(module)
                _hello("torch")
            except Exception as error:  # the script must not notice
                sys.stderr.write(f"dlop: not attached: {type(error).__name__}: {error}\n")

        spec.loader.exec_module = exec_module


def _chain():
    """Run the sitecustomize that this file hides, if there is one (Debian has one)."""
    name, path = "sitecustomize", list(sys.path)
    mine = sys.modules.pop(name, None)
    sys.path[:] = [p for p in path if os.path.abspath(p or ".") != _HERE]
    try:
        __import__(name)
    except ImportError as error:
        if error.name != name:
            raise
    finally:
        sys.path[:] = path
        if mine is not None:
            sys.modules[name] = mine


if os.environ.get("DLOP_OFF", "") in ("", "0"):
    sys.meta_path.insert(0, _Finder())
    _hello("boot")
_chain()
