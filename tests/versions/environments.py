"""The versions of the stack that the tests here run in: interpreters, folders, settings.

Key idea: an environment is a command line and environment variables; whether it is there is asked
of its interpreter. What is missing gives a reason whose first word is its need, so that
DLOP_REQUIRE=torch113,pillow11 makes failures of such skips.
"""

import dataclasses
import functools
import json
import os
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PACKAGE = ROOT / "host" / "python"
BOOT = PACKAGE / "boot"
LIMIT_S = 240
_DEBIAN = "/usr/bin/python3"
_SETUP = "scripts/setup --matrix installs it"


@dataclasses.dataclass(frozen=True)
class Environment:
    """need: first word of a skip; folder: goes to PYTHONPATH; capability: ATEN_CPU_CAPABILITY;
    torch, pillow: how their versions begin; cases: a set of cases of matrix.py."""

    name: str
    need: str
    python: str
    folder: str = ""
    capability: str = ""
    torch: str = ""
    pillow: str = ""
    cases: str = "all"


ENVIRONMENTS = [
    Environment("torch113", "torch113", _DEBIAN, torch="1.13.", pillow="9."),
    Environment(
        "torch113-default", "torch113", _DEBIAN, "", "default", "1.13.", "9.", cases="draws"
    ),
    Environment("pillow11", "pillow11", sys.executable, "build/pillow-11", pillow="11."),
    Environment("pillow12", "pillow12", sys.executable, "build/pillow-12", pillow="12."),
    Environment("pillow13", "pillow13", sys.executable, pillow="13."),
    Environment(
        "pillow13-default", "pillow13", sys.executable, "", "default", "", "13.", cases="draws"
    ),
    Environment("pillow13-avx2", "pillow13", sys.executable, "", "avx2", "", "13.", cases="draws"),
]
BY_NAME = {environment.name: environment for environment in ENVIRONMENTS}

_LOOK = """
import importlib.metadata, json
names = ("torch", "torchvision", "pillow", "numpy")
print(json.dumps({name: importlib.metadata.version(name) for name in names}))
"""


def variables(environment, attach, folders=(), **values):
    """Environment variables of a process there; folders come before all others in PYTHONPATH."""
    made = {k: v for k, v in os.environ.items() if not k.startswith(("DLOP_", "ATEN_"))}
    made["DLOP_LIBRARY"] = os.environ.get("DLOP_LIBRARY") or str(ROOT / "build" / "libdlop.so")
    path = [str(BOOT)] if attach else []
    path += [str(folder) for folder in folders]
    if environment.folder:
        path.append(str(ROOT / environment.folder))
    made["PYTHONPATH"] = os.pathsep.join(path)
    if environment.capability:
        made["ATEN_CPU_CAPABILITY"] = environment.capability
    made.update(values)
    return made


def start(environment, arguments, attach, **options):
    """A started process with text pipes."""
    return subprocess.Popen(
        [environment.python, *map(str, arguments)],
        env=variables(environment, attach, **options),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process):
    """Its standard output and error; it must end well within LIMIT_S."""
    try:
        output, errors = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        process.kill()
        output, errors = process.communicate()
        raise AssertionError(f"longer than {LIMIT_S} s: {errors[-2000:]}") from None
    assert process.returncode == 0, errors[-4000:]
    return output, errors


def run(environment, arguments, attach, **options):
    return finish(start(environment, arguments, attach, **options))


@functools.cache
def look(environment):
    """(versions by package, None), or (None, why it cannot be used)."""
    if environment.folder and not (ROOT / environment.folder).is_dir():
        return None, f"{environment.need}: {environment.folder} is missing, {_SETUP}"
    if not os.access(environment.python, os.X_OK):
        return None, f"{environment.need}: {environment.python} is missing"
    if environment.capability == "avx2" and " avx2 " not in _cpu_flags():
        return None, "avx2: this CPU has no AVX2"
    process = start(environment, ["-c", _LOOK], attach=False)
    output, errors = process.communicate(timeout=LIMIT_S)
    if process.returncode:
        last = (errors.strip().splitlines() or ["no output"])[-1]
        return None, f"{environment.need}: {environment.python}: {last}; {_SETUP}"
    found = json.loads(output)
    for name in ("torch", "pillow"):
        wanted = getattr(environment, name)
        if not found[name].startswith(wanted):
            return None, f"{environment.need}: {name} is {found[name]}, not {wanted}*; {_SETUP}"
    return found, None


def _cpu_flags():
    lines = pathlib.Path("/proc/cpuinfo").read_text().splitlines()
    return next((f"{line} " for line in lines if line.startswith("flags")), "")
