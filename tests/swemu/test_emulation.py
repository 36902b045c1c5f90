"""The real XRT on emulated cards: programs run under sim/swemu/run, and nothing stays behind."""

import contextlib
import os
import pathlib
import shutil
import signal
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("DLOP_BUILD", ROOT / "build" / "release")).resolve()
RUN = [ROOT / "sim" / "swemu" / "run", "--build", BUILD]
HOST = BUILD / "tests" / "swemu" / "host"
MODES = ["sw_emu", "hw_emu"]
LIMIT_S = 60


@pytest.fixture(autouse=True)
def _needs_xrt():
    libraries = subprocess.run(["ldconfig", "-p"], capture_output=True, text=True).stdout
    if "libxrt_coreutil.so" not in libraries or not HOST.is_file():
        pytest.skip("xrt: libxrt1 and libxrt-dev are not installed, or the tests not built")
    if shutil.which("unzip") is None:
        pytest.skip("xrt: unzip is not installed")
    if not (ROOT / "build" / "photos" / "tiny" / "stats.json").is_file():
        pytest.skip("photos: make photos cuts them")


def processes_of(user):
    """Return {pid: name} of the processes that run under this name for sockets."""
    found = {}
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if f"USER={user}".encode() in (process / "environ").read_bytes().split(b"\0"):
                found[int(process.name)] = (process / "comm").read_text().strip()
    return found


def check_nothing_left(user):
    assert user.startswith("dlop-xrt-")
    assert not pathlib.Path("/tmp", user).exists()
    deadline = time.monotonic() + 5
    while processes_of(user) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert processes_of(user) == {}


def run(*arguments, options=()):
    """Run a program on the cards; return what subprocess.run returns, with the name for sockets."""
    shell = ["sh", "-c", 'echo "$USER"; exec "$@"', "sh", *arguments]
    done = subprocess.run(
        [*RUN, *options, "--", *shell],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_S,
    )
    user, _, done.stdout = done.stdout.partition("\n")
    check_nothing_left(user)
    return done


@pytest.mark.parametrize("card", ["ddr", "u280"])
@pytest.mark.parametrize("mode", MODES)
def test_kernels_equal_the_reference(mode, card):
    done = run(HOST, "--rounds", "2", options=["--mode", mode, "--card", card])
    assert done.returncode == 0, done.stderr
    assert "1 devices, 2 rounds, all equal" in done.stdout


@pytest.mark.parametrize("mode", MODES)
def test_two_devices_in_one_process(mode):
    done = run(HOST, "--devices", "2", options=["--mode", mode])
    assert done.returncode == 0, done.stderr
    assert "2 devices, 1 rounds, all equal" in done.stdout


def test_a_card_reads_the_memory_of_another():
    """Peers are there in software emulation only."""
    done = run(HOST, "--peer", "--rounds", "2")
    assert done.returncode == 0, done.stderr
    assert "2 devices, 2 rounds, all equal" in done.stdout


@pytest.mark.parametrize("mode", MODES)
def test_strict_mode_shows_a_forgotten_sync(mode):
    options = ["--strict", "--mode", mode]
    assert run(HOST, options=options).returncode == 0
    done = run(HOST, "--forget-sync", options=options)
    assert done.returncode == 1
    assert "job 0: status" in done.stderr


def test_programs_at_the_same_time_do_not_meet():
    command = [*RUN, HOST, "--rounds", "3"]
    programs = [
        subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for _ in range(3)
    ]
    for program in programs:
        output = program.communicate(timeout=LIMIT_S)[0]
        assert program.returncode == 0, output
        assert b"all equal" in output


# ---- ends of programs ----


@pytest.mark.parametrize("status", [0, 7])
def test_the_status_is_the_programs(status):
    assert run("sh", "-c", f"exit {status}").returncode == status


def test_a_signal_that_ends_the_program_ends_the_runner():
    assert run("sh", "-c", "kill -KILL $$").returncode == -signal.SIGKILL


def test_what_the_program_leaves_is_ended():
    done = run("sh", "-c", "setsid sleep 1000 >/dev/null 2>&1 & exit 3")
    assert done.returncode == 3


def test_wrong_use_is_told():
    assert subprocess.run([*RUN], capture_output=True).returncode == 2
    done = subprocess.run([*RUN, "/nowhere/program"], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (127, "run: /nowhere/program: not found\n")
    done = subprocess.run([RUN[0], "--build", "/nowhere", "true"], capture_output=True, text=True)
    assert done.returncode == 1
    assert "make xclbin" in done.stderr


@contextlib.contextmanager
def endless_host(mode, *arguments):
    """Start a host program that runs until it is ended; yield (runner, its name for sockets)."""
    shell = ["sh", "-c", 'echo "$USER"; exec "$@"', "sh", HOST, "--endless", *arguments]
    runner = subprocess.Popen(
        [*RUN, "--mode", mode, "--", *shell],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        user = runner.stdout.readline().strip()
        for line in runner.stdout:
            if line == "ready\n":
                break
        yield runner, user
        check_nothing_left(user)
    finally:
        runner.kill()
        runner.communicate()


def devices_of(user):
    return [pid for pid, name in processes_of(user).items() if name == "genericpciemode"]


def test_a_device_process_holds_no_sockets_of_others():
    with endless_host("sw_emu", "--devices", "2") as (runner, user):
        devices = devices_of(user)
        assert len(devices) == 2
        for pid in devices:
            links = [os.readlink(file) for file in pathlib.Path(f"/proc/{pid}/fd").iterdir()]
            assert sum(link.startswith("socket:") for link in links) == 1
        runner.terminate()
        runner.communicate(timeout=LIMIT_S)


@pytest.mark.parametrize("mode", MODES)
def test_a_killed_device_process_ends_only_its_program(mode):
    with endless_host(mode) as (runner, user):
        devices = devices_of(user)
        assert len(devices) == 1
        os.kill(devices[0], signal.SIGKILL)
        runner.communicate(timeout=LIMIT_S)
        assert runner.returncode != 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_to_the_runner_reach_the_program(number):
    with endless_host("sw_emu") as (runner, _):
        runner.send_signal(number)
        runner.communicate(timeout=LIMIT_S)
        assert runner.returncode == -number


# ---- builds ----


def build_images(folder, umask):
    """Build all images in a copy of the sources; return {name: bytes}."""
    shutil.copytree(ROOT, folder, ignore=shutil.ignore_patterns("build", ".git", ".venv"))
    environment = {**os.environ, "SOURCE_DATE_EPOCH": "1700000000"}
    for name in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS"):
        environment.pop(name, None)
    subprocess.run(
        ["make", "-s", "OPT=-O1", "xclbin-all"],
        cwd=folder,
        env=environment,
        umask=umask,
        check=True,
        capture_output=True,
    )
    images = (folder / "build" / "release" / "xclbin").glob("*.xclbin")
    return {image.name: image.read_bytes() for image in images}


@pytest.mark.full
def test_images_do_not_depend_on_the_place_of_the_build(tmp_path):
    here = build_images(tmp_path / "here", 0o022)
    there = build_images(tmp_path / "a" / "longer" / "way to there", 0o077)
    assert sorted(here) == [
        "dlop-u280.hw_emu.xclbin",
        "dlop-u280.sw_emu.xclbin",
        "dlop.hw_emu.xclbin",
        "dlop.sw_emu.xclbin",
    ]
    assert here == there


def test_an_image_for_a_card_needs_tools_and_says_so():
    done = subprocess.run(
        ["make", "-s", "xclbin", "TARGET=hw"], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode != 0
    assert "v++ --link --target hw" in done.stderr
