"""Attaching from outside: start of the interpreter, launchers, start methods, costs."""

import os
import socket
import subprocess
import sys
import time

import pytest
import script

LINE = "tier A on cpu"


def test_plain_script(tiny, tmp_path):
    name = script.write(
        tmp_path,
        "train.py",
        """
        if __name__ == "__main__":
            torch.manual_seed(3)
            for workers in (0, 2):
                print(digest(loader(sys.argv[1], shuffle=True, num_workers=workers)))
            print(type(DataLoader).__name__, DataLoader.__module__, sys.argv[1:])
        """,
    )
    plain, attached = script.both(name, tiny)
    assert plain.stdout == attached.stdout
    assert attached.stderr.count(LINE) == 2 and "dlop" not in plain.stderr


def test_script_with_cifar_files(cifar, tmp_path):
    """torchvision's own class reads the files; only the digests that it knows are not theirs."""
    name = script.write(
        tmp_path,
        "train.py",
        """
        from torchvision.datasets import CIFAR10

        def without_digest(files):
            return [[name, None] for name, _ in files]

        CIFAR10.train_list = without_digest(CIFAR10.train_list)
        CIFAR10.test_list = without_digest(CIFAR10.test_list)
        CIFAR10.meta = {**CIFAR10.meta, "md5": None}
        tail = [T.ToTensor(), T.Normalize((0.49, 0.48, 0.45), (0.25, 0.24, 0.26))]
        augmented = [T.RandomCrop(32, padding=4), T.RandomHorizontalFlip(), *tail]
        if __name__ == "__main__":
            torch.manual_seed(3)
            for train, parts, workers in ((True, augmented, 2), (False, tail, 0)):
                dataset = CIFAR10(sys.argv[1], train, T.Compose(parts))
                print(len(dataset), dataset.classes, dataset.data.strides)
                print(digest(DataLoader(dataset, 128, shuffle=train, num_workers=workers)))
        """,
    )
    plain, attached = script.both(name, cifar)
    assert plain.stdout == attached.stdout and plain.stdout.startswith("2000 ")
    assert attached.stderr.count(LINE) == 2


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_start_methods_of_workers(tiny, tmp_path, method):
    """A custom dataset, so that workers are real: tier B attaches inside them."""
    name = script.write(
        tmp_path,
        "train.py",
        f"""
        from PIL import Image

        class Mine(Dataset):
            def __init__(self, root):
                self.inner = ImageFolder(root)
                self.transform = T.Compose([T.RandomResizedCrop(32), T.ToTensor()])

            def __len__(self):
                return 40

            def __getitem__(self, k):
                import sys
                swap = sys.modules.get("dlop.swap")
                image = Image.open(self.inner.samples[k][0]).convert("RGB")
                return self.transform(image), int(bool(swap and swap._installed))

        if __name__ == "__main__":
            torch.manual_seed(3)
            batches = list(DataLoader(Mine(sys.argv[1]), 8, num_workers=2,
                                      multiprocessing_context="{method}"))
            print(digest((x, y * 0) for x, y in batches))
            print("swapped", sum(int(y.sum()) for x, y in batches), file=sys.stderr)
        """,
    )
    plain, attached = script.both(name, tiny)
    assert plain.stdout == attached.stdout
    assert "tier B" in attached.stderr and "swapped 40" in attached.stderr
    assert "swapped 0" in plain.stderr


@pytest.mark.full
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_second_process_tree(tiny, tmp_path, method):
    """Training processes started by torch.multiprocessing attach by themselves, also after the
    parent has used its own loader."""
    name = script.write(
        tmp_path,
        "train.py",
        f"""
        import torch.multiprocessing

        def rank(number, root, queue):
            torch.manual_seed(number)
            queue.put((number, digest(loader(root, shuffle=True, num_workers=2))))

        if __name__ == "__main__":
            torch.manual_seed(3)
            print(digest(loader(sys.argv[1], shuffle=True, num_workers=1)))
            context = torch.multiprocessing.get_context("{method}")
            queue = context.SimpleQueue()
            ranks = [context.Process(target=rank, args=(k, sys.argv[1], queue)) for k in (0, 1)]
            for one in ranks:
                one.start()
            print(sorted(queue.get() for _ in ranks))
            for one in ranks:
                one.join()
                assert one.exitcode == 0
            print(digest(loader(sys.argv[1], shuffle=True)))
        """,
    )
    plain, attached = script.both(name, tiny)
    assert plain.stdout == attached.stdout
    assert attached.stderr.count(LINE) == 4


@pytest.mark.full
def test_two_ranks_under_torchrun(tiny, tmp_path):
    name = script.write(
        tmp_path,
        "train.py",
        """
        import torch.distributed as dist

        dist.init_process_group("gloo")
        rank = dist.get_rank()
        torch.manual_seed(rank)
        parts = [T.RandomResizedCrop(32), T.RandomHorizontalFlip(), T.ToTensor()]
        dataset = ImageFolder(sys.argv[1], T.Compose(parts))
        sampler = DistributedSampler(dataset, seed=5)
        for workers, persistent in ((0, False), (2, False), (3, True)):
            batches = DataLoader(dataset, 8, sampler=sampler, num_workers=workers,
                                 persistent_workers=persistent)
            for epoch in range(2):
                sampler.set_epoch(epoch)
                value = digest(batches)
                got = [None, None]
                dist.all_gather_object(got, value)
                if rank == 0:
                    print(workers, epoch, got)
        dist.destroy_process_group()
        """,
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    launcher = ["-m", "torch.distributed.run", "--nproc-per-node=2", f"--master-port={port}"]
    plain, attached = script.both(name, tiny, launcher=launcher)
    assert plain.stdout == attached.stdout and plain.stdout.count("\n") == 6
    assert attached.stderr.count(LINE) == 6
    assert "dlop rank 1: loader 0" in attached.stderr


def test_module_as_script(tiny, tmp_path):
    package = tmp_path / "project"
    package.mkdir()
    (package / "__init__.py").write_text("")
    script.write(
        package,
        "train.py",
        """
        torch.manual_seed(3)
        print(digest(loader(sys.argv[1], shuffle=True)))
        """,
    )
    command = [sys.executable, "-m", "project.train", str(tiny)]
    plain = script.run(command, attach=False, cwd=tmp_path)
    attached = script.run(command, cwd=tmp_path)
    assert plain.stdout == attached.stdout and plain.returncode == 0
    assert LINE in attached.stderr


def test_subclass_and_name_taken_earlier(tiny, tmp_path):
    name = script.write(
        tmp_path,
        "train.py",
        """
        import torch.utils.data.dataloader as module

        class Loader(module.DataLoader):
            def __iter__(self):
                print("iter")
                return super().__iter__()

        parts = [T.RandomResizedCrop(32), T.ToTensor()]
        dataset = ImageFolder(sys.argv[1], T.Compose(parts))
        torch.manual_seed(3)
        print(digest(Loader(dataset, 8, num_workers=2)), isinstance(Loader(dataset), DataLoader))
        """,
    )
    plain, attached = script.both(name, tiny)
    assert plain.stdout == attached.stdout
    assert LINE in attached.stderr


def test_changed_framework_is_noticed(tiny, tmp_path):
    """A function of torchvision that the script replaces takes the loader out of tier A."""
    name = script.write(
        tmp_path,
        "train.py",
        """
        import torchvision.transforms.functional as F

        stock = F.hflip
        F.hflip = lambda image: stock(image.transpose(1))
        torch.manual_seed(3)
        print(digest(loader(sys.argv[1], shuffle=True)))
        """,
    )
    plain, attached = script.both(name, tiny)
    assert plain.stdout == attached.stdout
    assert LINE not in attached.stderr
    assert "torchvision.transforms.functional.hflip was replaced" in attached.stderr


def test_hello_and_hidden_sitecustomize(tmp_path):
    """Messages to the parent, and the next sitecustomize on the path still runs."""
    (tmp_path / "sitecustomize.py").write_text("print('the other one')\n")
    address = f"dlop-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind("\0" + address)
        link.settimeout(20)
        for code, wanted in (("pass", ["boot"]), ("import torch.utils.data", ["boot", "torch"])):
            values = script.environment(True, DLOP_HELLO=address)
            values["PYTHONPATH"] += os.pathsep + str(tmp_path)
            child = subprocess.run(
                [sys.executable, "-c", code], env=values, capture_output=True, text=True
            )
            assert child.returncode == 0 and "the other one" in child.stdout, child.stderr
            assert [link.recv(100).decode().split()[1] for _ in wanted] == wanted


@pytest.mark.parametrize("flag", ["-I", "-E"])
def test_ignored_environment_is_not_attached(tiny, flag):
    code = "import torch.utils.data.dataloader as d; print(d.DataLoader._get_iterator.__module__)"
    child = script.run([sys.executable, flag, "-c", code])
    assert child.stdout.strip() == "torch.utils.data.dataloader", child.stderr
    child = script.run(
        [sys.executable, "-c", code + "; print(d.DataLoader._get_iterator._is_dlop)"]
    )
    assert "True" in child.stdout, child.stderr


def test_nothing_is_imported_without_torch():
    code = (
        "import sys; print([m for m in sys.modules if m.startswith(('dlop', 'torch', 'ctypes'))])"
    )
    child = script.run([sys.executable, "-c", code])
    assert child.stdout.strip() == "[]"


def best_ms(command, **options):
    """Least time of many: what the process costs when others leave it alone."""
    times = []
    for _ in range(15):
        begin = time.perf_counter()
        assert script.run(command, **options).returncode == 0
        times.append((time.perf_counter() - begin) * 1e3)
    return min(times)


def test_cost_without_torch():
    command = [sys.executable, "-c", "pass"]
    extra = best_ms(command) - best_ms(command, attach=False)
    assert extra < 8, f"{extra:.1f} ms"


def test_cost_of_attaching(tiny, tmp_path):
    """CPU time of this thread for iter() alone: the first with all probes, then the next ones."""
    name = script.write(
        tmp_path,
        "cost.py",
        """
        import gc, time

        made = loader(sys.argv[1], num_workers=1)
        costs = []
        for _ in range(4):
            gc.collect()  # what importing torch left behind is not ours
            begin = time.thread_time()
            iterator = iter(made)
            costs.append((time.thread_time() - begin) * 1e3)
            del iterator
        print(costs[0], min(costs[1:]))
        """,
    )
    child = script.run([sys.executable, name, str(tiny)])
    assert LINE in child.stderr
    first, later = map(float, child.stdout.split())
    assert first < 150 and later < 30, f"{first:.0f} ms, then {later:.0f} ms"


def test_stateful_loader_is_named(tiny, tmp_path):
    """torchdata's loader overrides the method: it must at least be said."""
    package = tmp_path / "torchdata" / "stateful_dataloader"
    package.mkdir(parents=True)
    (tmp_path / "torchdata" / "__init__.py").write_text("")
    (package / "__init__.py").write_text("from .stateful_dataloader import StatefulDataLoader\n")
    (package / "stateful_dataloader.py").write_text(
        "from torch.utils.data import DataLoader\n"
        "class StatefulDataLoader(DataLoader):\n"
        "    def _get_iterator(self):\n"
        "        return iter([1, 2])\n"
    )
    code = "from torchdata.stateful_dataloader import StatefulDataLoader as S; print(list(S([1])))"
    child = script.run([sys.executable, "-c", code], cwd=tmp_path)
    assert child.stdout.strip() == "[1, 2]", child.stderr
    assert "tier C: torchdata's StatefulDataLoader" in child.stderr


def test_generators_of_accelerators_are_left_alone(tiny, tmp_path):
    """torch.manual_seed would seed every GPU anew, and dropout there would draw other numbers."""
    name = script.write(
        tmp_path,
        "seeds.py",
        """
        seeded = []
        torch.cuda.manual_seed_all = seeded.append
        torch.manual_seed(3)
        assert seeded == [3] * len(seeded)
        before = len(seeded)
        print(digest(loader(sys.argv[1], num_workers=2)))
        print(digest(loader(sys.argv[1])), len(seeded) - before, before > 0)
        """,
    )
    plain, attached = script.both(name, tiny)
    assert LINE in attached.stderr
    assert attached.stdout == plain.stdout
    assert plain.stdout.endswith("0 True\n")
