"""Other loaders beside DLOP in the measurement: a made-up one that works and ones that do not."""

import json
import sys
import textwrap
import types

import pytest
import script
from conftest import PACKAGE
from dlop import peers

HEAD = """
TITLE, NEEDS, PACKAGES, INSTALL = "made up", ("torch",), ("torch",), "pip install torch"
"""
WORKS = """
def open_epochs(job):
    from dlop.peers import torchvision_v2
    return torchvision_v2.open_epochs(job)
"""
BRIGHTER = """
def open_epochs(job):
    import torch
    from dlop.peers import torchvision_v2
    step = torch.tensor([3 / 255 / 0.229, 0.0, 0.0]).view(3, 1, 1)
    epochs = torchvision_v2.open_epochs(job)
    return lambda: (batch + step for batch in epochs())
"""
BREAKS = """
def open_epochs(job):
    from dlop.peers import torchvision_v2
    if not job.is_fixed:
        raise OSError("the cable is out\\nand a second line")
    return torchvision_v2.open_epochs(job)
"""
DIES = """
import os
def open_epochs(job):
    os._exit(11)
"""
WRONG_FORM = """
def open_epochs(job):
    import torch
    return lambda: iter([torch.zeros(job.batch_size, 224, 224, 3)])
"""


def run(*arguments, **values):
    command = [sys.executable, "-m", "dlop.bench_loader", *map(str, arguments)]
    return script.run(command, attach=False, cwd=PACKAGE, **values)


@pytest.fixture
def made_up(tmp_path):
    """Folder with the package `made_up`: one module per behaviour."""
    folder = tmp_path / "made_up"
    folder.mkdir()
    (folder / "__init__.py").write_text("")
    bodies = {"works": WORKS, "brighter": BRIGHTER, "breaks": BREAKS, "dies": DIES}
    for name, body in {**bodies, "wrong_form": WRONG_FORM}.items():
        (folder / f"{name}.py").write_text(HEAD + textwrap.dedent(body))
    (folder / "absent.py").write_text(HEAD.replace('("torch",),', '("no_such.thing",),', 1) + WORKS)
    (folder / "half.py").write_text("TITLE = 'half a peer'\n")
    return tmp_path


def test_peers_have_rows_and_failures_have_reasons(tiny, tmp_path, made_up):
    names = ("works", "brighter", "breaks", "dies", "wrong_form", "absent")
    child = run(
        *("--data", tiny, "--limit", 12, "--batch-size", 6, "--rounds", 1, "--json", "-"),
        *("--seconds", 0),
        *("--peers", ",".join(f"made_up.{name}" for name in names)),
        *("--plot", tmp_path / "peers.svg"),
        PYTHONPATH=str(made_up),
        TMPDIR=str(made_up),
    )
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    rows = {one["name"]: one for one in result["contestants"]}
    assert list(rows) == ["torch", "dlop", "made_up.works", "made_up.brighter"]
    for name, (most, mean) in {"works": (0, 0), "brighter": (3, 1)}.items():
        row = rows[f"made_up.{name}"]
        assert row["pixels"]["max"] == pytest.approx(most, abs=0.01)
        assert row["pixels"]["mean"] == pytest.approx(mean, abs=0.01)
        assert row["images_per_s"] > 0 and row["ratio"]["wall"] > 0 and row["versions"]["torch"]
        assert row["dlop_over"]["cpu"] == result["ratio"]["cpu"] / row["ratio"]["cpu"]
    failed = {name.split(".")[1]: reason for name, reason in result["failed"].items()}
    assert failed["breaks"] == "OSError: the cable is out"
    assert failed["dies"] == "it ended without a result"
    assert "not float32 (6, 3, 224, 224)" in failed["wrong_form"]
    assert failed["absent"] == "no module no_such.thing: pip install torch"
    assert "made_up.works" in (tmp_path / "peers.svg").read_text()
    assert not list(made_up.glob("dlop-bench-*"))


@pytest.mark.parametrize("peer", ["dalli", "made_up.nothing", "made_up.half"])
def test_a_peer_that_there_is_none_of_is_wrong_usage(tiny, made_up, peer):
    child = run("--data", tiny, "--peers", peer, PYTHONPATH=str(made_up))
    assert child.returncode == 2 and child.stdout == "" and "--peers" in child.stderr


def test_list_says_what_to_install():
    child = run("--peers", "list")
    assert child.returncode == 0 and child.stderr == ""
    for name in peers.NAMES:
        peer = peers.load(name)
        assert name in child.stdout and peer.TITLE in child.stdout
        lacking = peers.missing(peer)
        assert (f"no {lacking}: {peer.INSTALL}" in child.stdout) == bool(lacking)


@pytest.mark.parametrize("name", peers.NAMES)
def test_each_peer_of_the_table_imports_nothing_that_may_be_missing(name):
    text = f"import sys; from dlop import peers; peers.load({name!r}); print(*sys.modules)"
    child = script.run([sys.executable, "-c", text], attach=False, cwd=PACKAGE)
    assert child.returncode == 0, child.stderr
    loaded = {module.split(".")[0] for module in child.stdout.split()}
    assert not loaded & {"torch", "torchvision", "cv2", "albumentations", "nvidia", "ffcv", "spdl"}


def test_missing_names_the_first_module_that_is_not_there():
    peer = types.SimpleNamespace(NEEDS=("json", "json.tool", "no_such_package.part", "neither"))
    assert peers.missing(peer) == "module no_such_package.part"
    peer.NEEDS = ("json.no_such_part", "json")
    assert peers.missing(peer) == "module json.no_such_part"
    peer.NEEDS = ("json",)
    assert peers.missing(peer) == ""
    peer.lacks = lambda: "library of its own"
    assert peers.missing(peer) == "library of its own"


def test_the_loader_on_libjpeg_turbo_makes_pillows_pixels(tiny):
    arguments = ("--data", tiny, "--limit", 24, "--batch-size", 10, "--seconds", 0)
    child = run(*arguments, "--rounds", 1, "--json", "-", "--peers", "libjpeg-turbo")
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert result["failed"] == {}
    row = result["contestants"][-1]
    assert row["name"] == "libjpeg-turbo" and row["pixels"]["max"] < 0.01
    assert row["versions"]["libjpeg-turbo"] and row["epochs"] == 1
