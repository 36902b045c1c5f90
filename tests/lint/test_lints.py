"""Each lint of make check finds what it is there for, and nothing in a good example."""

import importlib.machinery
import importlib.util
import pathlib
import re
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINT = ROOT / "tests" / "lint"
BAD = sorted((LINT / "bad").glob("*.c"))
BAD_TOP = sorted((LINT / "bad" / "top").glob("*.c"))
GOOD_STEP = "static int dlop_twice(int x)\n{\n    return x + x;\n}\n"

needs_clang = pytest.mark.skipif(not shutil.which("clang"), reason="clang: not installed")
needs_tidy = pytest.mark.skipif(not shutil.which("clang-tidy"), reason="clang-tidy: not installed")


def run(*command):
    return subprocess.run(
        [str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


@needs_clang
@pytest.mark.parametrize("path", BAD, ids=[path.stem for path in BAD])
def test_dialect_finds(path):
    rule = re.match(r"/\* Flagged: (.*) \*/", path.read_text()).group(1)
    done = run(LINT / "dialect", path)
    assert done.returncode == 1
    assert f": {rule}: " in done.stdout


@needs_clang
@pytest.mark.parametrize("path", BAD_TOP, ids=[path.stem for path in BAD_TOP])
def test_dialect_finds_in_tops_only(path):
    rule = re.match(r"/\* Flagged: (.*) \*/", path.read_text()).group(1)
    done = run(LINT / "dialect", "--top", path)
    assert done.returncode == 1
    assert f": {rule}: " in done.stdout
    assert run(LINT / "dialect", path).returncode == 0


@needs_clang
def test_dialect_passes_good_top():
    done = run(LINT / "dialect", "--top", LINT / "good_top.c")
    assert done.returncode == 0, done.stdout


@needs_clang
def test_dialect_passes_good_step_and_looks_into_included_headers(tmp_path):
    (tmp_path / "step.h").write_text(GOOD_STEP)
    (tmp_path / "user.c").write_text('#include "hw/abi/port.h"\n#include "step.h"\n')
    done = run(LINT / "dialect", tmp_path / "user.c")
    assert done.returncode == 0, done.stdout
    (tmp_path / "step.h").write_text(GOOD_STEP.replace("return", "again:\n    return"))
    done = run(LINT / "dialect", tmp_path / "user.c")
    assert f"{tmp_path / 'step.h'}:3: goto" in done.stdout


@needs_clang
def test_dialect_fails_on_text_that_does_not_compile(tmp_path):
    (tmp_path / "step.c").write_text("static int dlop_x(void) { return y; }\n")
    assert run(LINT / "dialect", tmp_path / "step.c").returncode == 1


def make_tree(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


HEADERS = {
    "hw/abi/abi.h": "typedef int dlop_abi;\n",
    "hw/core/step.h": '#include "hw/abi/abi.h"\n',
    "driver/driver.h": '#include "hw/abi/abi.h"\n',
    "driver/cpu/cpu.h": '#include "driver/driver.h"\n',
    "driver/ocl/ocl.h": '#include "driver/driver.h"\n',
    "host/base/log.h": "typedef int dlop_log;\n",
    "host/run/run.h": '#include "driver/driver.h"\n#include "host/base/log.h"\n',
    "host/cli/cli.h": '#include "host/run/run.h"\n',
}


@pytest.mark.parametrize(
    ("path", "included"),
    [
        ("hw/core/x.h", "host/base/log.h"),
        ("hw/abi/x.h", "hw/core/step.h"),
        ("driver/x.c", "host/base/log.h"),
        ("driver/x.c", "hw/core/step.h"),
        ("driver/cpu/x.c", "driver/ocl/ocl.h"),
        ("host/run/x.c", "hw/core/step.h"),
        ("host/run/x.c", "host/cli/cli.h"),
        ("host/base/x.c", "host/run/run.h"),
        ("host/format/x.c", "driver/cpu/cpu.h"),
        ("host/cli/x.c", "hw/core/step.h"),
        ("elsewhere/x.c", None),
    ],
)
def test_includes_finds_wrong_directions(tmp_path, path, included):
    make_tree(tmp_path, HEADERS)
    done = run(LINT / "includes", "--root", tmp_path)
    assert done.returncode == 0, done.stdout
    if included is None:
        path, included = "host/elsewhere/x.c", "hw/abi/abi.h"
    make_tree(tmp_path, {path: f'#include "{included}"\n'})
    done = run(LINT / "includes", "--root", tmp_path)
    assert done.returncode == 1
    assert f"{path}: " in done.stdout


def test_includes_sees_through_a_header_in_between(tmp_path):
    make_tree(tmp_path, {**HEADERS, "driver/cpu/mine.h": '#include "hw/core/step.h"\n'})
    make_tree(tmp_path, {"host/run/x.c": '#include "driver/cpu/mine.h"\n'})
    done = run(LINT / "includes", "--root", tmp_path)
    assert "host/run/x.c: must not include hw/core/step.h" in done.stdout


def test_includes_finds_vendor_headers(tmp_path):
    make_tree(tmp_path, {**HEADERS, "host/run/x.c": "#include <immintrin.h>\n"})
    done = run(LINT / "includes", "--root", tmp_path)
    assert "host/run/x.c: <immintrin.h> belongs to driver/cpu/" in done.stdout


def c_function(n_lines, parameters="void"):
    body = "".join(f"    dlop_call({i});\n" for i in range(n_lines - 3))
    return f"/* About. */\nint dlop_long({parameters})\n{{\n{body}}}\n"


@pytest.mark.parametrize(
    ("name", "text", "finding"),
    [
        ("a.c", c_function(60), None),
        ("a.c", c_function(61), "dlop_long has 61 lines"),
        ("a.c", "#define X 1\n\n" * 300, None),
        ("a.c", "#define X 1\n" * 601, "601 lines"),
        ("a.c", "/* " + "x" * 98 + " */\n", "104 columns"),
        ("a.c", c_function(5, "int a, int b, int c, int d, int e, int f"), None),
        ("a.c", c_function(5, "int a, int b, int c,\n    int d, int e, int f, int g"), "7 param"),
        ("a.py", "def f():\n" + "    pass\n" * 60, "f has 61 lines"),
    ],
)
def test_length(tmp_path, name, text, finding):
    (tmp_path / name).write_text(text)
    done = run(LINT / "length", tmp_path / name)
    assert done.returncode == (1 if finding else 0), done.stdout
    assert finding is None or finding in done.stdout


@pytest.mark.parametrize(
    ("n_lines", "what", "is_needed"),
    [(61, ":dlop_long", True), (60, ":dlop_long", False), (60, "", False)],
)
def test_length_finds_exceptions_that_are_left_over(tmp_path, n_lines, what, is_needed):
    loader = importlib.machinery.SourceFileLoader("length", str(LINT / "length"))
    length = importlib.util.module_from_spec(importlib.util.spec_from_loader("length", loader))
    loader.exec_module(length)
    path = tmp_path / "a.c"
    path.write_text(c_function(n_lines))
    findings = length.check(path, {f"{path}{what}": "why"})
    wanted = [] if is_needed else [f"{path}{what} does not need its exception in long.txt"]
    assert findings == wanted


@pytest.mark.parametrize(
    ("name", "is_good"), [("dlop_good", True), ("good", False), ("Dlop_good", False)]
)
def test_symbols(tmp_path, name, is_good):
    source, library, archive = (tmp_path / n for n in ("a.c", "a.so", "a.a"))
    source.write_text(f"int {name}(void) {{ return dlop_x; }}\n".replace("dlop_x", "1"))
    assert run("cc", "-shared", "-fPIC", source, "-o", library).returncode == 0
    assert run("cc", "-c", source, "-o", tmp_path / "a.o").returncode == 0
    assert run("ar", "rcs", archive, tmp_path / "a.o").returncode == 0
    for file in (library, archive):
        assert (run(LINT / "symbols", file).returncode == 0) == is_good


def test_symbols_of_an_empty_library(tmp_path):
    (tmp_path / "a.c").write_text("static int x __attribute__((unused));\n")
    assert run("cc", "-shared", tmp_path / "a.c", "-o", tmp_path / "a.so").returncode == 0
    assert run(LINT / "symbols", tmp_path / "a.so").returncode == 1


@needs_clang
@pytest.mark.parametrize(
    ("path", "text", "flag"),
    [
        ("host/include/x.h", "uint32_t dlop_x(void);\n", "-std="),
        ("host/include/x.h", "int dlop_x(int class);\n", "-std=c++11"),
        ("hw/core/x.h", "extern u8 dlop_x;\n", "gcc -std=c99"),
        ("hw/core/x.h", "static const int dlop_t[2] = {1, 2};\n", "-x cl"),
        ("hw/core/x.h", "#define DLOP_X(a, ...) a\nenum { DLOP_A = DLOP_X(1), };\n", "-std=c99"),
    ],
)
def test_headers(tmp_path, path, text, flag):
    make_tree(tmp_path, {"hw/abi/good.h": "typedef int dlop_good;\n"})
    done = run(ROOT / "tests" / "headers" / "run", "--root", tmp_path)
    assert done.returncode == 0, done.stdout
    make_tree(tmp_path, {path: text})
    done = run(ROOT / "tests" / "headers" / "run", "--root", tmp_path)
    assert done.returncode == 1
    assert any(f"{path} fails alone" in line and flag in line for line in done.stdout.splitlines())


@needs_tidy
@pytest.mark.parametrize(
    ("body", "finding"),
    [
        ("    return n;", None),
        ("    int x[2] = {n, n};\n    return x[n > 3 ? 2 : 0] + 1 / (n - n);", "core.DivideZero"),
        ("    int x;\n    return n > 3 ? x : n;", "uninitialized"),
        ("    int *x = 0;\n    return n > 3 ? *x : n;", "NullDereference"),
    ],
)
def test_analyse(tmp_path, body, finding):
    (tmp_path / "a.c").write_text(f"int dlop_a(int n)\n{{\n{body}\n}}\n")
    shutil.copy(ROOT / ".clang-tidy", tmp_path)
    done = run(LINT / "analyse", tmp_path / "a.c")
    assert (done.returncode != 0) == (finding is not None), done.stdout
    assert finding is None or finding in done.stdout
