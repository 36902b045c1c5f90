"""The NEON replacements equal the reference: the kernel tests under emulation, if installed."""

import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRIPT = ROOT / "tests" / "kernel" / "aarch64"
SKIPPED = 77


def run(*names, **environment):
    done = subprocess.run(
        [SCRIPT, *names],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, **environment},
    )
    return done.returncode, done.stdout


@pytest.mark.full
def test_replacements_under_emulation():
    """The replacements, and the code tables of hw/core that a compiler once got wrong there.

    make check-aarch64 runs the other programs, too: twice as long.
    """
    names = [path.stem for path in sorted(ROOT.glob("tests/kernel/check_*.c"))] + ["test_huff"]
    status, text = run(*names)
    if status == SKIPPED:
        pytest.skip(re.search("^SKIP (aarch64: .*)", text, re.M)[1])
    assert status == 0, text[-4000:]
    assert len(names) > 1 and text.endswith(f"\naarch64: {len(names)} passed, 0 failed\n")


def test_a_missing_compiler_is_named():
    status, text = run(CROSS_CC="no-such-compiler")
    assert status == SKIPPED
    assert text.startswith("SKIP aarch64: no-such-compiler is missing; install: ")
