"""scripts/embed_text: a text with its includes as a C file."""

import pathlib
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
SHOW = """
#include <stdio.h>
#include <stddef.h>
extern const char some_text[];
extern const size_t some_text_bytes;
int main(void) { return fwrite(some_text, 1, some_text_bytes, stdout) != some_text_bytes; }
"""


@pytest.fixture
def tree(tmp_path):
    """Return a tree with the script and a source whose two headers need each other's header."""
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "embed_text").write_bytes((ROOT / "scripts/embed_text").read_bytes())
    (tmp_path / "scripts" / "embed_text").chmod(0o755)
    (tmp_path / "a.h").write_text('#include "c.h"\n#define A "quoted \\n" \\\n    "more"\n')
    (tmp_path / "b.h").write_text('#include "c.h"\n#include <stdint.h>\nint b;\n')
    (tmp_path / "c.h").write_text("int c;\n")
    (tmp_path / "main.cl").write_text('#include "a.h"\n#include "b.h"\nint m;\n')
    return tmp_path


def embed(tree, out="out.c"):
    return subprocess.run(
        [tree / "scripts/embed_text", "some_text", "main.cl", out], capture_output=True, text=True
    )


def test_text_is_the_sources_in_order_each_once(tree):
    assert embed(tree).returncode == 0
    (tree / "show.c").write_text(SHOW)
    subprocess.run(
        ["cc", "-Wall", "-Werror", "show.c", "out.c", "-o", "show"], cwd=tree, check=True
    )
    shown = subprocess.run([tree / "show"], capture_output=True, text=True, check=True).stdout
    assert shown == (
        '#line 1 "main.cl"\n#line 1 "a.h"\n#line 1 "c.h"\nint c;\n#line 2 "a.h"\n'
        '#define A "quoted \\n" \\\n    "more"\n'
        '#line 2 "main.cl"\n#line 1 "b.h"\n#line 2 "b.h"\n#include <stdint.h>\nint b;\n'
        '#line 3 "main.cl"\nint m;\n'
    )


def test_result_is_the_same_every_time_and_names_what_it_read(tree):
    assert embed(tree).returncode == 0
    first = (tree / "out.c").read_bytes()
    assert embed(tree).returncode == 0
    assert (tree / "out.c").read_bytes() == first
    assert (tree / "out.c.d").read_text().splitlines()[0] == "out.c: main.cl a.h c.h b.h"


def test_missing_file_leaves_no_result(tree):
    (tree / "c.h").unlink()
    done = embed(tree)
    assert done.returncode != 0
    assert "c.h" in done.stderr
    assert not (tree / "out.c").exists()
