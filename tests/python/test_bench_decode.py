"""The measurement of whole pictures, and what all measurements share: charts, failures, Ctrl-C."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree

import pytest
import script
from conftest import PACKAGE
from dlop import bench_common, bench_decode, bench_plot
from PIL import Image

FIGURES = {"images_per_s", "mb_per_s", "mpx_per_s", "cpu_ms_per_image"}


@pytest.fixture(scope="module", autouse=True)
def turbojpeg():
    try:
        bench_decode.open_turbojpeg(None)
    except OSError as error:
        pytest.skip(f"turbojpeg: {error}")


def command(*arguments):
    return [sys.executable, "-m", "dlop.bench_decode", *map(str, arguments)]


def run(*arguments):
    return script.run(command(*arguments), attach=False, cwd=PACKAGE)


@pytest.mark.parametrize("cores", [1, 2])
def test_result(tiny, tmp_path, cores):
    if cores > len(os.sched_getaffinity(0)):
        pytest.skip("cores: one core")
    plot = tmp_path / "decode.svg"
    arguments = ("--data", tiny, "--rounds", 1, "--limit", 10, "--json", "-", "--plot", plot)
    child = run(*arguments, "--cores", cores)
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert result["schema"] == "dlop.bench.decode/1" and result["equal"] is True
    assert result["data"]["images"] == 10 and result["cores"] == cores
    assert [one["name"] for one in result["contestants"]] == ["libjpeg-turbo", "dlop"]
    for one in result["contestants"]:
        for figure in FIGURES:
            lower, upper = one["spread"][figure]
            assert 0 < lower <= one[figure] <= upper
    assert result["ratio"]["wall"] > 0 and result["ratio"]["cpu"] > 0
    machine = result["machine"]
    assert machine["cores"] == os.cpu_count() and machine["versions"]["dlop"]
    assert machine["kernel"] == os.uname().release and "turbojpeg" in machine["turbojpeg"]
    assert "libjpeg-turbo" in plot.read_text()


def test_files_that_cannot_be_decoded_are_left_out_with_a_reason(tiny, tmp_path):
    photos = sorted(tiny.rglob("*.jpg"))[:3]
    for photo in photos:
        shutil.copy(photo, tmp_path / photo.name)
    bad = tmp_path / photos[0].name
    bad.write_bytes(bad.read_bytes()[:300])
    child = run("--data", tmp_path, "--rounds", 1, "--json", "-")
    assert child.returncode == 0, child.stderr
    data = json.loads(child.stdout)["data"]
    assert data["images"] == 2 and list(data["left_out"]) == [str(bad)]
    assert data["left_out"][str(bad)]


def test_a_differing_pixel_is_found(tiny, monkeypatch):
    photos = [bench_decode.Photo(str(path)) for path in sorted(tiny.rglob("*.jpg"))[:3]]
    openers = {"libjpeg-turbo": lambda: bench_decode._open_turbo(None)}
    ours = bench_decode._open_dlop()

    def spoilt(data, pixels, width, height):
        is_done = ours(data, pixels, width, height)
        if data is photos[1].data:
            pixels[width * height * 3 - 1] = bytes([pixels.raw[width * height * 3 - 1] ^ 1])
        return is_done

    openers["dlop"] = lambda: spoilt
    assert bench_decode._compare(photos, openers) == {"differing": [1], "failed": []}


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("--data", ".", "--cores", "999"),
        ("--data", ".", "--rounds", "0"),
        ("--data", ".", "--plot", "chart.gif"),
    ],
)
def test_wrong_usage(arguments):
    child = run(*arguments)
    assert child.returncode == 2 and child.stdout == "" and child.stderr


@pytest.mark.parametrize("missing", ["photographs", "library"])
def test_what_is_missing_is_said_in_one_line(tiny, tmp_path, missing):
    if missing == "photographs":
        child = run("--data", tmp_path)
    else:
        child = run("--data", tiny, "--turbojpeg", tmp_path / "libturbojpeg.so")
    assert child.returncode == 1 and child.stdout == ""
    assert child.stderr.startswith("dlop bench: ") and child.stderr.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_everything(tiny, number):
    child = subprocess.Popen(
        command("--data", tiny, "--rounds", 500),
        env=script.environment(False),
        cwd=PACKAGE,
        stderr=subprocess.PIPE,
        text=True,
    )
    end = time.monotonic() + 60
    while len(found := bench_common.children(child.pid)) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    child.send_signal(number)
    _, text = child.communicate(timeout=60)
    assert child.returncode == 130 and "interrupted" in text and "Traceback" not in text
    assert len(found) >= 2
    while any(os.path.exists(f"/proc/{pid}") for pid in found) and time.monotonic() < end:
        time.sleep(0.02)
    assert not [pid for pid in found if os.path.exists(f"/proc/{pid}")]


def test_interrupt_during_a_fork_is_not_lost():
    """It arrives while Python runs the hooks that follow a fork, which swallow exceptions."""
    code = (
        "import os, signal\n"
        "from dlop import bench_common\n"
        "os.register_at_fork(after_in_parent=lambda: os.kill(os.getpid(), signal.SIGINT))\n"
        "try:\n"
        "    bench_common.in_child(lambda: 1, bench_common.pinned_cores(1))\n"
        "except KeyboardInterrupt:\n"
        "    print('interrupted')\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=PACKAGE, capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "interrupted\n"


def test_a_child_that_fails_says_why_and_leaves_nothing():
    cores = bench_common.pinned_cores(1)
    before = bench_common.children(os.getpid())  # helpers of multiprocessing in earlier tests
    assert bench_common.in_child(lambda: os.sched_getaffinity(0) == set(cores), cores) is True
    with pytest.raises(bench_common.ChildError, match="ValueError: no good"):
        bench_common.in_child(lambda: (_ for _ in ()).throw(ValueError("no good\nat all")), cores)
    with pytest.raises(bench_common.ChildError, match="without a result"):
        bench_common.in_child(lambda: os._exit(3), cores)
    begin = time.monotonic()
    with pytest.raises(bench_common.ChildError, match="no result within"):
        bench_common.in_child(lambda: time.sleep(60), cores, limit_s=0.2)
    assert time.monotonic() - begin < 30
    assert set(bench_common.children(os.getpid())) <= set(before)


def test_cpu_time_counts_the_whole_tree():
    def spin():
        end = time.process_time() + 0.2
        while time.process_time() < end:
            pass

    def tree():
        before, own_before = bench_common.cpu_s(), time.process_time()
        child = os.fork()
        if child == 0:
            spin()
            time.sleep(60)
        end = time.monotonic() + 10
        spent = own = 0.0
        while spent - own < 0.15 and time.monotonic() < end:
            time.sleep(0.02)
            spent, own = bench_common.cpu_s() - before, time.process_time() - own_before
        return spent - own

    assert bench_common.in_child(tree, bench_common.pinned_cores(1)) >= 0.15


def test_order_has_the_reference_first_last_and_in_every_round():
    names = ["torch", "dlop", "one", "two"]
    sequence = bench_common.order(names, 6)
    assert sequence[0] == sequence[-1] == "torch"
    assert all(sequence.count(name) == 6 for name in names[1:])
    rounds = [tuple(sequence[1 + 4 * k : 5 + 4 * k]) for k in range(6)]
    assert all(sorted(one) == sorted(names) for one in rounds) and len(set(rounds)) > 1


def test_ratio_is_to_the_mean_of_the_references_around():
    sequence, runs = ["t", "d", "t", "d", "t"], [{"x": x} for x in (1.0, 6.0, 3.0, 8.0, 1.0)]
    assert bench_common.ratios(sequence, runs, "d", "x") == [3.0, 4.0]
    assert bench_common.ratios(sequence, [*runs[:3], None, runs[4]], "d", "x") == [3.0]
    assert bench_common.quartiles([4.0, 1.0, 2.0, 3.0, 5.0]) == [2.0, 4.0]


def test_charts(tmp_path):
    bars = [
        bench_plot.Bar("torch <&>", 100.0, 90.0, 120.0),
        bench_plot.Bar("dlop", 400.0, 400, 400),
    ]
    for name in ("chart.svg", "chart.png"):
        bench_plot.write(str(tmp_path / name), "A & B", "images/s", bars)
    root = xml.etree.ElementTree.parse(tmp_path / "chart.svg").getroot()
    boxes = [float(one.get("width")) for one in root.findall("{*}rect")][1:]
    assert boxes[1] == pytest.approx(4 * boxes[0], abs=0.2)
    assert {"torch <&>", "A & B"} <= {one.text for one in root.findall("{*}text")}
    with Image.open(tmp_path / "chart.png") as picture:
        colours = {colour for _, colour in picture.getcolors(1 << 16)}
    assert {(0x1B, 0x7F, 0x5C), (0x8A, 0x94, 0xA6)} <= colours
    for top in (0.003, 1.0, 7.0, 420.0, 31000.0):
        assert 3 <= int(top / bench_plot.tick_step(top)) <= 8
