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
def test_kernels_under_emulation():
    status, text = run()
    if status == SKIPPED:
        pytest.skip(re.search("^SKIP (aarch64: .*)", text, re.M)[1])
    assert status == 0, text[-4000:]
    counts = re.search(r"^aarch64: (\d+) passed, 0 failed$", text, re.M)
    checks = list(ROOT.glob("tests/kernel/check_*.c"))
    assert counts and int(counts[1]) > len(checks) > 0


def test_a_missing_compiler_is_named():
    status, text = run(CROSS_CC="no-such-compiler")
    assert status == SKIPPED
    assert text.startswith("SKIP aarch64: no-such-compiler is missing; install: ")
