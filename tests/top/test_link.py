"""The connectivity files of hw/link name every unit of every kernel and a bank for each buffer."""

import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINK = ROOT / "hw" / "link"
CARDS = ["u50", "u55c", "u200", "u250", "u280", "vck5000", "v80"]


def preprocess(macro, form):
    """Return what the compiler makes of a table of hw/top/top.h: lines after a mark."""
    source = f'#include "hw/top/top.h"\n#define X{form}\n{macro}(X)\n'
    done = subprocess.run(
        ["cc", "-E", "-P", "-I", str(ROOT), "-"],
        input=source,
        capture_output=True,
        text=True,
        check=True,
    )
    return re.findall(r"@ (\w+) (\d)", done.stdout)


def kernels():
    return [name for name, _ in preprocess("DLOP_TOP_KERNELS", "(name, kinds) @ name 0")]


def buffers():
    found = preprocess("DLOP_TOP_ARGUMENTS", "(type, name, is_buffer) @ name is_buffer")
    return [name for name, is_buffer in found if is_buffer == "1"]


def units(text):
    """Return {unit: kernel} of the nk lines, after a check of their counts."""
    found = {}
    for kernel, count, names in re.findall(r"^nk=(\w+):(\d+):(\S+)$", text, re.M):
        assert len(names.split(",")) == int(count)
        found |= dict.fromkeys(names.split(","), kernel)
    return found


def check(text):
    """Return what a file lacks or has twice."""
    named = units(text)
    places = re.findall(r"^sp=(\w+)\.(\w+):(\S+)$", text, re.M)
    wrong = [f"no unit of {kernel}" for kernel in kernels() if kernel not in named.values()]
    wrong += [f"{kernel} is no kernel" for kernel in set(named.values()) - set(kernels())]
    wanted = [(unit, buffer) for unit in named for buffer in buffers()]
    for unit, buffer, _ in places:
        if (unit, buffer) in wanted:
            wanted.remove((unit, buffer))
        else:
            wrong.append(f"{unit}.{buffer} is named once too often")
    return wrong + [f"{unit}.{buffer} has no bank" for unit, buffer in wanted]


def test_tables_are_read():
    assert kernels() == ["dlop_image", "dlop_tensor"]
    assert {"in", "constants", "out", "scratch", "jobs", "completions"} == set(buffers())


@pytest.mark.parametrize("card", CARDS)
def test_every_kernel_and_buffer_has_its_place(card):
    assert check((LINK / f"{card}.cfg").read_text()) == []


def test_what_is_missing_is_found():
    text = (LINK / "u50.cfg").read_text()
    assert check(re.sub(r"sp=dlop_image_2\.jobs:.*\n", "", text)) == [
        "dlop_image_2.jobs has no bank"
    ]
    assert check(re.sub(r"nk=dlop_tensor.*\n", "", text))[0] == "no unit of dlop_tensor"


def test_files_are_what_the_generator_writes(tmp_path):
    subprocess.run([LINK / "make_links", tmp_path], check=True)
    assert sorted(p.stem for p in LINK.glob("*.cfg")) == sorted(CARDS)
    for card in CARDS:
        assert (tmp_path / f"{card}.cfg").read_text() == (LINK / f"{card}.cfg").read_text()
