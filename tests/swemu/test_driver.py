"""The xrt driver: the suite of all drivers over the real XRT, and what faults do to the caller."""

import contextlib
import os
import pathlib
import shutil
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("DLOP_BUILD", ROOT / "build" / "release")).resolve()
RUN = [ROOT / "sim" / "swemu" / "run", "--build", BUILD]
SUITE = BUILD / "tests" / "driver" / "suite"
FAULTS = BUILD / "tests" / "xrt" / "emulated"
FAKE = BUILD / "tests" / "xrt" / "fake_xrt.so"
COMMAND = os.environ.get("DLOP_COMMAND", str(BUILD / "dlop"))
LIMIT_S = 180


@pytest.fixture(autouse=True)
def _needs_xrt():
    if not FAULTS.is_file():
        pytest.skip("xrt: libxrt-dev is not installed, or the tests not built")
    if shutil.which("unzip") is None:
        pytest.skip("xrt: unzip is not installed")


def host_programs():
    """Return the process ids of this build's host programs."""
    found = []
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "exe").readlink() == BUILD / "dlop-xrt-host":
                found.append(process.name)
    return found


def run(program, *options, **variables):
    """Run a program on emulated cards; skip where it says that it needs what is not here."""
    done = subprocess.run(
        [*RUN, *options, "--", program],
        cwd=ROOT,
        env={**os.environ, **variables},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_S,
    )
    skips = [line[5:] for line in done.stdout.splitlines() if line.startswith("SKIP ")]
    if skips:
        pytest.skip(skips[0])
    assert done.returncode == 0, done.stdout
    return done.stdout


def run_suite(*options, **variables):
    output = run(SUITE, *options, DLOP_TEST_DRIVER="xrt", **variables)
    assert "results_equal_the_reference" in output


def test_suite_in_software_emulation_with_memories_apart():
    run_suite("--mode", "sw_emu", "--strict")


@pytest.mark.full
def test_suite_in_hardware_emulation_with_many_banks():
    run_suite("--mode", "hw_emu", "--card", "u280")


@pytest.mark.full
@pytest.mark.parametrize(
    ("faults", "settings"),
    [("split=1,no_user=1", "memory=card"), ("", "memory=p2p"), ("", "memory=host")],
    ids=["banks-differ", "p2p", "host"],
)
def test_suite_over_a_library_as_strict_as_a_card(faults, settings):
    run_suite(FAKE_XRT=faults, DLOP_XRT=f"library={FAKE},{settings}")


@pytest.mark.parametrize("mode", ["sw_emu", pytest.param("hw_emu", marks=pytest.mark.full)])
def test_faults_of_the_device_process_are_statuses(mode):
    run(FAULTS, "--mode", mode)


def test_devices_names_the_emulated_card():
    done = subprocess.run(
        [*RUN, "--", COMMAND, "devices"], capture_output=True, text=True, timeout=LIMIT_S
    )
    assert done.returncode == 0, done.stderr
    line = next(line for line in done.stdout.splitlines() if line.startswith("xrt "))
    assert "sw_emu" in line and "missing" not in line


def test_no_host_program_is_left():
    deadline = time.monotonic() + 5
    while host_programs() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert host_programs() == []
