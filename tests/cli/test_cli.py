"""The command line as a user types it: output, exit status, signals, nothing left behind."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
DLOP = os.environ.get("DLOP_COMMAND", str(ROOT / "build/dlop"))
PHOTOS = sorted((ROOT / "build/photos/tiny").rglob("*.jpg"))
COMMANDS = ("run", "bench", "decode", "devices", "selftest")


def dlop(*arguments, **options):
    options = {"capture_output": True, "text": True, "timeout": 120, **options}
    return subprocess.run([DLOP, *map(str, arguments)], check=False, **options)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_goes_to_stdout_and_teaches(command):
    done = dlop(command, "--help")
    assert done.returncode == 0
    assert done.stderr == ""
    assert "Usage: dlop " + command in done.stdout
    assert "--json" in done.stdout


@pytest.mark.parametrize("bench", ["loader", "decode", "kernels", "train"])
def test_each_benchmark_has_its_own_help(bench):
    done = dlop("bench", bench, "--help")
    assert done.returncode == 0 and done.stderr == ""
    assert f"usage: dlop bench {bench}" in done.stdout and f"dlop.bench.{bench}/1" in done.stdout
    assert f"dlop bench {bench} " in dlop("bench", "--help").stdout


def test_overview_names_every_command():
    done = dlop("--help")
    assert done.returncode == 0
    for command in COMMANDS:
        assert f"  {command} " in done.stdout


@pytest.mark.parametrize(
    "arguments", [(), ("frobnicate",), ("devices", "extra"), ("run",), ("decode",), ("bench",)]
)
def test_wrong_usage_is_exit_status_2_and_silent_on_stdout(arguments):
    done = dlop(*arguments)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr != ""


def test_version_in_both_forms():
    text = dlop("--version").stdout
    found = json.loads(dlop("--version", "--json").stdout)
    assert found["schema"] == "dlop.version/1"
    assert text.startswith("dlop " + found["version"])
    assert "commit" in found["build"]


def test_devices_lists_the_cpu():
    found = json.loads(dlop("devices", "--json").stdout)
    assert found["schema"] == "dlop.devices/1"
    cpu = [device for device in found["devices"] if device["name"] == "cpu"]
    assert len(cpu) == 1
    assert cpu[0]["present"] is True
    assert cpu[0]["units"] >= 1
    assert "cpu" in dlop("devices").stdout


def test_selftest_passes_and_says_what_it_did():
    done = dlop("selftest", "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stdout
    assert found["schema"] == "dlop.selftest/1"
    assert found["passed"] is True
    assert all(row["passed"] >= 20 and row["failed"] == 0 for row in found["results"])
    assert {row["level"] for row in found["results"]} >= {"reference", "all replacements"}


def test_decode_writes_pillows_pixels(tmp_path):
    photos = PHOTOS[:5]
    done = dlop("decode", "--output", tmp_path, "--json", *photos)
    found = json.loads(done.stdout)
    assert done.returncode == 0, done.stderr
    assert [row["status"] for row in found["files"]] == ["DLOP_OK"] * len(photos)
    for row, photo in zip(found["files"], photos, strict=True):
        expected = numpy.asarray(Image.open(photo).convert("RGB"))
        assert numpy.array_equal(numpy.load(row["output"]), expected)


def test_decode_to_png_is_the_same_picture(tmp_path):
    done = dlop("decode", "-f", "png", "-o", tmp_path, PHOTOS[0])
    assert done.returncode == 0, done.stderr
    written = Path(done.stdout.strip())
    expected = numpy.asarray(Image.open(PHOTOS[0]).convert("RGB"))
    assert numpy.array_equal(numpy.asarray(Image.open(written)), expected)


def test_decode_names_the_bad_file_and_goes_on(tmp_path):
    text = tmp_path / "note.jpg"
    text.write_text("no picture\n")
    progressive = tmp_path / "progressive.jpg"
    Image.open(PHOTOS[0]).save(progressive, progressive=True)
    missing = tmp_path / "missing.jpg"
    done = dlop("decode", "-o", tmp_path, text, progressive, missing, tmp_path, PHOTOS[1])
    assert done.returncode == 1
    assert len(done.stdout.splitlines()) == 1
    for name in (text, progressive, missing):
        assert str(name) in done.stderr
    assert "progressive" in done.stderr
    assert "No such file" in done.stderr
    assert not list(tmp_path.glob("*.part"))


def test_decode_refuses_an_unknown_device():
    done = dlop("decode", "--device", "toaster", PHOTOS[0])
    assert done.returncode == 1
    assert "toaster" in done.stderr


def test_run_passes_arguments_output_and_exit_status():
    code = "import sys; print(sys.argv[1:]); sys.exit(7)"
    done = dlop("run", sys.executable, "-c", code, "--help", "-x")
    assert done.returncode == 7
    assert done.stdout == "['--help', '-x']\n"


def test_run_turns_options_into_environment():
    code = "import os; print(os.environ['DLOP_THREADS'], os.environ['DLOP_ON_ERROR'])"
    done = dlop("run", "--threads", "3", "--on-error=skip", sys.executable, "-c", code)
    assert done.stdout == "3 skip\n"


@pytest.mark.parametrize("option", ["--threads=many", "--on-error=ignore", "--device=toaster"])
def test_run_refuses_bad_values(option):
    done = dlop("run", option, "true")
    assert done.returncode == 2
    assert option.split("=")[0] in done.stderr


def test_run_says_when_the_command_cannot_be_started():
    done = dlop("run", "/no/such/program")
    assert done.returncode == 127
    assert "/no/such/program" in done.stderr
    assert "No such file" in done.stderr


@pytest.mark.parametrize("flag", ["-I", "-E", "-S"])
def test_run_is_loud_when_it_could_not_attach(flag):
    done = dlop("run", sys.executable, flag, "-c", "pass")
    assert done.returncode == 0
    assert "NOT ATTACHED" in done.stderr


def test_run_says_when_there_was_nothing_to_offload():
    done = dlop("run", "--json", sys.executable, "-c", "pass")
    assert "no process imported torch.utils.data" in done.stderr
    found = json.loads(done.stderr.splitlines()[-1])
    assert found["schema"] == "dlop.run/1"
    assert found["state"] == "no data loader"
    assert found["interpreters"] == 1


def test_run_keeps_the_users_pythonpath(tmp_path):
    (tmp_path / "mine.py").write_text("value = 41\n")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = dlop("run", sys.executable, "-c", "import mine; print(mine.value)", env=environment)
    assert done.stdout == "41\n"


def start_sleeper(tmp_path, **options):
    """`dlop run` with a child that says when it is up and how it ended."""
    code = (
        "import os, signal, sys, time\n"
        "def end(number, frame):\n"
        "    os.write(1, b'signal %d\\n' % number); sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, end); signal.signal(signal.SIGUSR1, end)\n"
        "os.write(1, b'%d\\n' % os.getpid())\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [DLOP, "run", sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, **options
    )
    return parent, int(parent.stdout.readline())


def is_alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] != "Z"
    except OSError:
        return False


def wait_until_gone(pid):
    deadline = time.monotonic() + 10
    while is_alive(pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    return not is_alive(pid)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_run_forwards_signals_and_takes_the_childs_status(tmp_path, number):
    parent, child = start_sleeper(tmp_path)
    os.kill(parent.pid, number)
    assert parent.stdout.read() == f"signal {int(number)}\n"
    assert parent.wait(10) == 5
    assert wait_until_gone(child)


def test_run_ends_by_the_signal_that_ended_the_child(tmp_path):
    parent, child = start_sleeper(tmp_path)
    os.kill(child, signal.SIGKILL)
    assert parent.wait(10) == -signal.SIGKILL


def test_killed_run_takes_its_child_with_it(tmp_path):
    parent, child = start_sleeper(tmp_path)
    parent.kill()
    parent.wait(10)
    assert wait_until_gone(child)


def test_ctrl_c_of_a_terminal_reaches_the_child_once(tmp_path):
    """A terminal signals the whole foreground group; the parent must not send it again."""
    code = (
        "import signal, time\n"
        "seen = []\n"
        "signal.signal(signal.SIGINT, lambda *_: seen.append(1))\n"
        "print('up', flush=True)\n"
        "end = time.monotonic() + 1.5\n"
        "while time.monotonic() < end:\n"
        "    time.sleep(0.1)\n"
        "print('count', len(seen), 'end', flush=True)\n"
    )
    leader, follower = os.openpty()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        import fcntl
        import termios

        fcntl.ioctl(follower, termios.TIOCSCTTY, 0)
        for fd in range(3):
            os.dup2(follower, fd)
        os.execv(DLOP, [DLOP, "run", sys.executable, "-c", code])
    os.close(follower)
    text = b""
    while b"up" not in text:
        text += os.read(leader, 1000)
    os.write(leader, b"\x03")
    while b"end" not in text:
        text += os.read(leader, 1000)
    os.waitpid(pid, 0)
    os.close(leader)
    assert b"count 1" in text
