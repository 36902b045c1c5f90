"""dlop devices, decode and selftest over every device."""

import json
import sys

import pytest
from conftest import DLOP, PHOTOS, command, need

FILES = sorted(PHOTOS.rglob("*.jpg"))[:12]


def decode(device, folder, **values):
    folder.mkdir()
    done = command(
        DLOP, "decode", "--device", device, "-o", folder, *FILES, on_card="xrt" in device, **values
    )
    assert done.returncode == 0, done.stderr
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture(scope="module")
def on_cpu(tmp_path_factory):
    made = decode("cpu", tmp_path_factory.mktemp("decode") / "cpu")
    assert len(made) == len(FILES)
    return made


@pytest.mark.parametrize("device", ["auto", "sim", "ocl", "xrt", "sim,cpu"])
def test_decode_gives_the_same_file(on_cpu, tmp_path, device):
    if device != "auto":
        need(device)
    assert decode(device, tmp_path / "out") == on_cpu


def test_decode_on_a_card_that_fails_gives_the_same_file(on_cpu, tmp_path):
    need("sim")
    settings = "corrupt=0.3,wrong_status=0.3"
    assert decode("sim", tmp_path / "out", DLOP_SIM=settings) == on_cpu


def test_devices_say_what_they_are_or_what_is_missing():
    found = json.loads(command(DLOP, "devices", "--json").stdout)
    assert found["schema"] == "dlop.devices/1"
    rows = {row["name"]: row for row in found["devices"]}
    assert set(rows) == {"cpu", "sim", "ocl", "xrt"}
    for row in rows.values():
        assert row["present"] == (row["missing"] == "")
        assert row["present"] == (row["units"] >= 1)
    assert not rows["cpu"]["emulation"]
    assert rows["sim"]["emulation"]
    lines = command(DLOP, "devices").stdout.splitlines()
    states = {line.split()[0]: line.split()[1] for line in lines[1:]}
    assert states["cpu"] == "ready"
    assert states["sim"] == "emulated"


def test_selftest_covers_every_device_that_is_there():
    done = command(DLOP, "selftest", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    listed = {
        row["name"]: row for row in json.loads(command(DLOP, "devices", "--json").stdout)["devices"]
    }
    tested = {row["device"] for row in found["results"]}
    assert tested == {name for name, row in listed.items() if row["present"]}
    assert {row["device"] for row in found["missing"]} == set(listed) - tested
    assert all(row["missing"] for row in found["missing"])


def test_selftest_sees_what_the_cpu_had_to_do():
    need("sim")
    done = command(DLOP, "selftest", "--json", DLOP_SIM="corrupt=0.5,seed=2")
    rows = {row["device"]: row for row in json.loads(done.stdout)["results"]}
    assert done.returncode == 1
    assert rows["sim"]["failed"] >= 1
    assert rows["cpu"]["failed"] == 0


@pytest.mark.parametrize(
    ("device", "why"),
    [
        ("toaster", "is not a device"),
        ("cpu:1", "cpu:1"),
        ("sim,sim", "named twice"),
        ("sim:x", "no number"),
        ("sim:7", "sim:7"),
    ],
)
def test_devices_that_are_not_there_are_refused(device, why):
    done = command(DLOP, "decode", "--device", device, FILES[0])
    assert done.returncode == 1
    assert why in done.stderr


def test_a_named_device_says_what_is_missing():
    done = command(DLOP, "decode", "--device", "xrt", FILES[0])
    rows = json.loads(command(DLOP, "devices", "--json").stdout)["devices"]
    missing = next(row["missing"] for row in rows if row["name"] == "xrt")
    if not missing:
        pytest.skip("no-xrt: there is a card")
    assert done.returncode == 1
    assert missing in done.stderr


def test_settings_that_are_wrong_are_told():
    need("sim")
    done = command(DLOP, "decode", "--device", "sim", FILES[0], DLOP_SIM="colour=red")
    assert done.returncode == 1
    assert "colour=red" in done.stderr


def test_a_script_without_its_device_runs_as_it_is():
    code = (
        "import torch, torch.utils.data as d\n"
        f"from torchvision import transforms as T, datasets as s\n"
        f"data = s.ImageFolder({str(PHOTOS)!r}, T.Compose([T.CenterCrop(32), T.ToTensor()]))\n"
        "print(len(list(d.DataLoader(data, batch_size=8))))\n"
    )
    done = command(DLOP, "run", "--device", "sim:7", sys.executable, "-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout == "8\n"
    assert "tier C" in done.stderr
