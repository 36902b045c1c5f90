"""tests/run counts what cmocka and pytest say, and fails when it should."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]

# (what a C test program prints, its exit status, DLOP_REQUIRE, expected last line)
C_PROGRAMS = [
    ("[  PASSED  ] 3 test(s).", 0, "", "3 passed, 0 failed, 0 skipped"),
    (
        "[  PASSED  ] 2 test(s).\n[  FAILED  ] 1 test(s), listed below:",
        1,
        "",
        "2 passed, 1 failed, 0 skipped",
    ),
    ("SKIP avx2: no such processor", 77, "", "0 passed, 0 failed, 1 skipped"),
    ("SKIP avx2: no such processor", 77, "ocl,avx2", "0 passed, 1 failed, 0 skipped"),
    ("", 77, "", "0 passed, 1 failed, 0 skipped"),
    (
        "SKIP gpu: none here\n[  PASSED  ] 1 test(s).\n[  SKIPPED ] 1 test(s), listed below:",
        0,
        "",
        "1 passed, 0 failed, 1 skipped",
    ),
    ("", 0, "", "0 passed, 1 failed, 0 skipped"),
    ("[  PASSED  ] 3 test(s).", "kill -SEGV $$", "", "3 passed, 1 failed, 0 skipped"),
    ("", "sleep 30", "", "0 passed, 1 failed, 0 skipped"),
]


@pytest.fixture
def tree(tmp_path):
    """A copy of tests/run in a tree of its own."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "build" / "x" / "tests" / "unit").mkdir(parents=True)
    shutil.copy(ROOT / "tests" / "run", tmp_path / "tests" / "run")
    (tmp_path / "build" / "x" / "tests.list").write_text("")
    return tmp_path


def run(tree, *arguments, require=""):
    command = [sys.executable, "tests/run", "--build", "build/x", "--python", sys.executable]
    result = subprocess.run(
        [*command, *arguments],
        cwd=tree,
        text=True,
        stdout=subprocess.PIPE,
        env={**os.environ, "DLOP_REQUIRE": require},
    )
    lines = result.stdout.splitlines()
    assert (result.returncode == 0) == (" 0 failed," in lines[-1])
    return lines


@pytest.mark.parametrize(("text", "status", "require", "expected"), C_PROGRAMS)
def test_c_program(tree, text, status, require, expected):
    program = tree / "build" / "x" / "tests" / "unit" / "test_a"
    command = f"exit {status}" if isinstance(status, int) else status
    program.write_text(f"#!/bin/sh\ncat <<'END'\n{text}\nEND\n{command}\n")
    program.chmod(0o755)
    (tree / "build" / "x" / "tests.list").write_text("build/x/tests/unit/test_a quick 2\n")
    lines = run(tree, require=require)
    assert lines[-1] == expected
    if text.startswith("[  PASSED"):
        assert text.splitlines()[0] in lines


def test_tiers_and_selection(tree):
    rows = []
    for name, tier in (("a", "quick"), ("b", "full"), ("c", "long")):
        program = tree / "build" / "x" / "tests" / "unit" / f"test_{name}"
        program.write_text("#!/bin/sh\necho '[  PASSED  ] 1 test(s).'\n")
        program.chmod(0o755)
        rows.append(f"build/x/tests/unit/test_{name} {tier} 9\n")
    (tree / "build" / "x" / "tests.list").write_text("".join(rows))
    for tier, count in (("quick", 1), ("full", 2), ("long", 3)):
        assert run(tree, "--tier", tier)[-1] == f"{count} passed, 0 failed, 0 skipped"
    assert run(tree, "--select", "unit/test_b")[-1] == "1 passed, 0 failed, 0 skipped"
    assert run(tree, "--select", "kernel")[-1] == "0 passed, 1 failed, 0 skipped"


def test_python_folder(tree):
    folder = tree / "tests" / "python"
    folder.mkdir()
    (folder / "test_it.py").write_text(
        "import pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False\n"
        "def test_gpu(): pytest.skip('gpu: none here')\n"
        "def test_slow():\n    import time; time.sleep(60)\n"
        "test_slow = pytest.mark.timeout(1)(test_slow)\n"
    )
    assert run(tree)[-1] == "1 passed, 2 failed, 1 skipped"
    lines = run(tree, require="gpu")
    assert lines[-1] == "1 passed, 3 failed, 0 skipped"
    assert any("1 passed, 1 skipped" in line or "2 failed" in line for line in lines[:-1])


def test_broken_python_file(tree):
    (tree / "tests" / "python").mkdir()
    (tree / "tests" / "python" / "test_it.py").write_text("import no_such_module\n")
    assert " 0 failed," not in run(tree)[-1]
