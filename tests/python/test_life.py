"""How processes end, and what 200 epochs leave behind."""

import gc
import os
import pathlib
import signal
import subprocess
import sys
import time

import dlop
import pytest
import script
import torch
from pair import facts, seed, tier_of
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder


def make_loader(root, workers, **options):
    parts = [v1.RandomResizedCrop(32), v1.RandomHorizontalFlip(), v1.ToTensor()]
    dataset = ImageFolder(str(root), v1.Compose(parts))
    return DataLoader(dataset, batch_size=16, shuffle=True, num_workers=workers, **options)


def usage():
    """Bytes of memory, open files, threads of this process."""
    gc.collect()
    status = pathlib.Path("/proc/self/status").read_text()
    values = dict(line.split(None, 2)[:2] for line in status.splitlines() if len(line.split()) > 1)
    files = len(os.listdir("/proc/self/fd"))
    return int(values["VmRSS:"]) * 1024, files, int(values["Threads:"])


@pytest.mark.full
@pytest.mark.parametrize("workers,epochs", [(0, 100), (2, 100), (3, 200)])
def test_many_epochs_leave_nothing(tiny, workers, epochs):
    loader = dlop.accelerate(make_loader(tiny, workers, persistent_workers=workers == 3))
    marks = []
    for epoch in range(epochs):
        for _ in loader:
            pass
        if epoch in (epochs // 4, epochs - 1):
            marks.append(usage())
    assert tier_of(loader) == "A"
    (rss, files, threads), (rss_end, files_end, threads_end) = marks
    assert rss_end - rss < 6 << 20, f"{(rss_end - rss) >> 10} KiB more"
    assert files_end <= files and threads_end <= threads


def test_iterators_left_early_give_their_threads_back(tiny):
    loader = dlop.accelerate(make_loader(tiny, 2))
    gc.collect()  # an older iterator that the collector ends leaves files, too
    for _ in range(10):  # until as many are left to the next iterator as will ever be
        next(iter(loader))
    _, files, threads = usage()
    for _ in range(30):
        next(iter(loader))
    _, files_end, threads_end = usage()
    assert files_end <= files + 2 and threads_end <= threads


def test_our_threads_let_the_script_go_first(tiny):
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        pytest.skip("policy: these tests themselves run under another one, which is left alone")
    loader = dlop.accelerate(make_loader(tiny, 2))
    iterator = iter(loader)
    next(iterator)
    policies = {}
    for task in pathlib.Path("/proc/self/task").iterdir():
        name = (task / "comm").read_text().strip()
        policy = os.sched_getscheduler(int(task.name))
        policies.setdefault(name.rpartition("-")[0], set()).add(policy)
    assert policies["dlop-cpu"] == policies["dlop-read"] == {os.SCHED_BATCH}
    assert os.sched_getscheduler(0) == os.SCHED_OTHER
    del iterator


def test_use_before_and_after_fork(tiny):
    """A child of a process that has iterated opens a device of its own; the parent goes on."""
    loader = dlop.accelerate(make_loader(tiny, 2))
    seed()
    wanted = [facts(batch) for batch in loader]
    iterator = iter(loader)
    first = next(iterator)
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            seed()
            made = [facts(batch) for batch in loader]
            os.write(sink, b"same" if made == wanted else b"other")
            status = 0
        finally:
            os._exit(status)
    os.close(sink)
    assert os.read(source, 10) == b"same"
    assert os.waitpid(child, 0)[1] == 0
    os.close(source)
    assert len(first) == 2 and len(list(iterator)) == len(loader) - 1


def test_iterator_in_a_forked_child_raises(tiny):
    iterator = iter(dlop.accelerate(make_loader(tiny, 2)))
    next(iterator)
    source, sink = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            next(iterator)
        except RuntimeError as error:
            os.write(sink, str(error).encode())
        finally:
            os._exit(0)
    os.close(sink)
    assert b"forked process" in os.read(source, 200)
    os.close(source)
    os.waitpid(child, 0)
    next(iterator)


def test_loader_survives_pickling(tiny):
    import pickle

    loader = make_loader(tiny, 0)
    list(dlop.accelerate(make_loader(tiny, 0)))
    twin = pickle.loads(pickle.dumps(loader))
    seed()
    wanted = [facts(batch) for batch in loader]
    seed()
    assert [facts(batch) for batch in dlop.accelerate(twin)] == wanted


def test_loaders_in_two_threads(tiny):
    import threading

    loaders = [dlop.accelerate(make_loader(tiny, 2)) for _ in range(2)]
    counts = [0, 0]

    def work(number):
        for _ in range(5):
            counts[number] += sum(len(images) for images, _ in loaders[number])

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [5 * len(loaders[0].dataset)] * 2


# ---- ends ----------------------------------------------------------------------------------------

ENDLESS = """
    import os, time

    mine = sys.argv[2] == "tier-b"
    if mine:
        class Own(ImageFolder):
            pass
        parts = [T.RandomResizedCrop(32), T.ToTensor()]
        batches = DataLoader(Own(sys.argv[1], T.Compose(parts)), 8, num_workers=2)
    else:
        batches = loader(sys.argv[1], shuffle=True, num_workers=2, persistent_workers=True)
    print("start", flush=True)
    try:
        while True:
            for number, (images, targets) in enumerate(batches):
                if number == 1:
                    print("run", flush=True)
                if sys.argv[2] == "raise" and number == 2:
                    raise ArithmeticError("the script's own")
                time.sleep(0.01)
    except KeyboardInterrupt:
        print("interrupted", flush=True)
        raise
"""


def in_session(session):
    """Command lines of the living processes of a session."""
    found = []
    for entry in os.listdir("/proc"):
        try:
            if entry.isdigit() and os.getsid(int(entry)) == session:
                state = pathlib.Path(f"/proc/{entry}/stat").read_text().rsplit(")", 1)[1].split()[0]
                if state != "Z":
                    found.append(pathlib.Path(f"/proc/{entry}/cmdline").read_text())
        except OSError:
            continue
    return found


def leftovers(folder):
    shared = {name for name in os.listdir("/dev/shm") if name.startswith(("torch_", "dlop"))}
    return shared, sorted(folder.iterdir())


@pytest.mark.parametrize(
    "how,kind",
    [
        (signal.SIGINT, "tier-a"),
        (signal.SIGTERM, "tier-a"),
        (signal.SIGKILL, "tier-a"),
        (signal.SIGKILL, "tier-b"),
        (None, "raise"),
    ],
)
@pytest.mark.full
def test_ends(tiny, tmp_path, how, kind):
    """No process, no shared memory, no temporary file is left, and the end is soon."""
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    name = script.write(tmp_path, "train.py", ENDLESS)
    before = leftovers(scratch)
    child = subprocess.Popen(
        [sys.executable, name, str(tiny), kind],
        env=script.environment(True, TMPDIR=str(scratch)),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert child.stdout.readline() == "start\n"
        assert child.stdout.readline() == "run\n"
        begin = time.monotonic()
        if how is not None:
            os.kill(child.pid, how)
        out, err = child.communicate(timeout=60)
        assert time.monotonic() - begin < 30
        if how is signal.SIGINT:
            assert "interrupted" in out and "KeyboardInterrupt" in err
        if kind == "raise":
            assert child.returncode == 1 and "ArithmeticError: the script's own" in err
        elif how is not signal.SIGINT:
            assert child.returncode == -how
        until = time.monotonic() + 20  # torch's own workers look every 5 s for their parent
        while in_session(child.pid) and time.monotonic() < until:
            time.sleep(0.1)
        assert in_session(child.pid) == []
        assert leftovers(scratch) == before
    finally:
        if child.poll() is None:
            child.kill()


def test_interrupt_while_waiting(tiny, monkeypatch):
    """A wait ends at a signal, not when the batch is there."""
    from dlop import _lib

    library = _lib.lib()

    class Stuck:
        """The library with a device that is never ready."""

        def __getattr__(self, name):
            return getattr(library, name)

        def dlop_batch_wait(self, *arguments):
            time.sleep(0.05)
            return _lib.AGAIN

    iterator = iter(dlop.accelerate(make_loader(tiny, 2)))
    with monkeypatch.context() as patch:
        patch.setattr(_lib, "lib", lambda: Stuck())
        signal.setitimer(signal.ITIMER_REAL, 0.3)
        patch.setattr(signal, "default_int_handler", None)
        before = signal.signal(signal.SIGALRM, lambda *_: (_ for _ in ()).throw(InterruptedError()))
        try:
            begin = time.monotonic()
            with pytest.raises(InterruptedError):
                next(iterator)
            assert time.monotonic() - begin < 20
        finally:
            signal.signal(signal.SIGALRM, before)
    assert isinstance(next(iterator)[0], torch.Tensor)
