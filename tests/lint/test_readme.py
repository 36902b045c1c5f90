"""The READMEs name files and functions that exist."""

import pathlib
import re

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
FOLDERS = ("hw", "driver", "host", "tests", "scripts")
READMES = [ROOT / "README.md", *sorted(p for f in FOLDERS for p in (ROOT / f).rglob("README.md"))]
PATH = re.compile(r"`((?:hw|driver|host|tests|scripts)/[\w./-]+)`")
FUNCTION = re.compile(r"`(\w+)\(\)`")


def missing(text):
    """Return the paths and, line by line, the functions that the line's files do not have."""
    wrong = []
    for line in text.splitlines():
        paths = [ROOT / path for path in PATH.findall(line)]
        wrong += [str(path.relative_to(ROOT)) for path in paths if not path.exists()]
        files = [path for path in paths if path.is_file()]
        for name in FUNCTION.findall(line):
            if files and not any(re.search(rf"\b{name}\(", file.read_text()) for file in files):
                wrong.append(f"{name}()")
    return wrong


@pytest.mark.parametrize("path", READMES, ids=[str(path.relative_to(ROOT)) for path in READMES])
def test_names_exist(path):
    assert missing(path.read_text()) == []


def test_wrong_names_are_found():
    assert missing("`host/no_such.c`") == ["host/no_such.c"]
    assert missing("`host/run/loader.c`: `no_such_function()`") == ["no_such_function()"]
    assert missing("`host/run/loader.c`: `dlop_loader_submit()`") == []
