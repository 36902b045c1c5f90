"""Memory of a batch: shared where a worker's would be, not touched before it is written, and used
again only when nobody has it any more."""

import ctypes
import errno
import fcntl
import gc
import os
import signal
import sys

import dlop
import pytest
import torch
from dlop import memory
from dlop.memory import Pool, Spare, new_private, new_shared
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder

SHAPE = (4, 3, 32, 32)


def reserved_bytes(tensor):
    """Memory that the kernel has given to the file behind a shared tensor."""
    fd, _ = tensor.untyped_storage()._share_fd_cpu_()  # stays the storage's
    return os.fstat(fd).st_blocks * 512


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.uint8])
def test_is_shared_and_contiguous(dtype):
    made = new_shared((4, 3, 5, 7), dtype)
    assert made.is_shared() and made.is_contiguous() and made.dtype is dtype
    assert tuple(made.shape) == (4, 3, 5, 7)


def test_pages_are_left_to_those_who_write():
    made = new_shared((64, 1 << 20), torch.uint8)
    assert reserved_bytes(made) < 1 << 20
    made.fill_(1)
    assert reserved_bytes(made) >= 64 << 20


def test_other_processes_see_the_same_memory():
    made = new_shared((8,), torch.uint8).zero_()
    child = os.fork()
    if child == 0:
        made.fill_(7)
        os._exit(0)
    os.waitpid(child, 0)
    assert made.tolist() == [7] * 8
    context = torch.multiprocessing.get_context("fork")
    queue = context.Queue()
    queue.put(made)
    other = queue.get()
    other[0] = 9
    assert made[0] == 9


def test_nothing_is_left_open():
    new_shared((100,), torch.uint8)
    gc.collect()  # queues of other tests
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        new_shared((100,), torch.uint8)
    assert len(os.listdir("/proc/self/fd")) == before


def test_private_memory_may_lie_in_huge_pages():
    with open("/sys/kernel/mm/transparent_hugepage/enabled", encoding="ascii") as file:
        if "[never]" in file.read():
            pytest.skip("hugepages: switched off on this system")
    made = new_private((5, 4 << 20), torch.uint8)
    assert not made.is_shared() and tuple(made.shape) == (5, 4 << 20)
    with open("/proc/self/smaps", encoding="ascii") as file:
        lines = file.read().splitlines()
    middle, is_inside, flags = made.data_ptr() + made.numel() // 2, False, ""
    for line in lines:
        head = line.split()[0]
        if not head.endswith(":"):
            low, high = (int(end, 16) for end in head.split("-"))
            is_inside = low <= middle < high
        elif is_inside and head == "VmFlags:":
            flags = line
    assert " hg" in flags
    assert new_private((3, 5), torch.float16).numel() == 15


def test_empty_and_other_strategies_are_shared_too():
    assert new_shared((0, 3), torch.float32).is_shared()
    if "file_system" not in torch.multiprocessing.get_all_sharing_strategies():
        pytest.skip("file_system: this torch shares by descriptors only")
    torch.multiprocessing.set_sharing_strategy("file_system")
    try:
        assert new_shared((2, 3), torch.float32).is_shared()
    finally:
        torch.multiprocessing.set_sharing_strategy("file_descriptor")


# ---- recycled memory -----------------------------------------------------------------------------


def has_leases():
    """Whether this system grants write leases on files in memory, asked without the pool."""
    first = os.memfd_create("probe")
    fd = os.open(f"/proc/self/fd/{first}", os.O_RDWR)
    os.close(first)
    try:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        return True
    except OSError:
        return False
    finally:
        os.close(fd)


@pytest.fixture
def pool():
    if not has_leases():
        pytest.skip("leases: this system grants none on files in memory")
    made = Pool(3, Spare())
    made.room(SHAPE, torch.uint8)
    return made


def written(pool, value):
    """A room of the pool in which the library wrote a value everywhere."""
    room = pool.room(SHAPE, torch.uint8)
    ctypes.memset(room.address, value, room.n_bytes)
    return room


def rewrite(pool):
    """Let the pool hand out, and the library overwrite, whatever is free; some must be."""
    addresses = [written(pool, 200 + k).address for k in range(12)]
    assert pool._is_on and len(set(addresses)) < 8, "nothing comes back"


def test_memory_comes_back_when_nobody_has_it(pool):
    first = written(pool, 1)
    assert first.keeps is not None
    tensor, address = first.tensor, first.address
    assert tensor.is_shared() and bool((tensor == 1).all())
    fd, size = tensor.untyped_storage()._share_fd_cpu_()
    assert (os.fstat(fd).st_size, size) == (first.n_bytes, first.n_bytes)
    del first, tensor
    assert written(pool, 2).address == address
    rewrite(pool)


def hold_tensor(tensor):
    return tensor


def hold_view(tensor):
    return tensor[2:3, :, 5, ::2]


def hold_array(tensor):
    return tensor.numpy()[1:2, 0]


def hold_memoryview(tensor):
    return memoryview(tensor.numpy().reshape(-1))[3:]


def hold_storage(tensor):
    return tensor.untyped_storage()


def values(held):
    """Bytes, as numbers, of what a hold_ function gave."""
    if isinstance(held, torch.UntypedStorage):
        return held.tolist()
    return torch.as_tensor(held).flatten().tolist()


@pytest.mark.parametrize(
    "hold", [hold_tensor, hold_view, hold_array, hold_memoryview, hold_storage]
)
def test_what_the_script_keeps_is_never_overwritten(pool, hold):
    kept = hold(written(pool, 77).tensor)
    gc.collect()
    rewrite(pool)
    assert set(values(kept)) == {77}


def test_sent_to_another_process_and_freed_here(pool):
    context = torch.multiprocessing.get_context("fork")
    there, back = context.Queue(), context.Queue()

    def receive():
        tensor = there.get()
        back.put("received")
        there.get()
        back.put(set(tensor.flatten().tolist()))

    child = context.Process(target=receive)
    child.start()
    there.put(written(pool, 78).tensor)
    assert back.get(timeout=60) == "received"
    gc.collect()
    rewrite(pool)
    there.put("go on")
    assert back.get(timeout=60) == {78}
    child.join()


def test_in_flight_between_processes(pool):
    """The descriptor is in a socket, and nobody has opened or mapped it."""
    import array
    import socket

    a, b = socket.socketpair()
    with a, b:
        tensor = written(pool, 79).tensor
        fd, _ = tensor.untyped_storage()._share_fd_cpu_()  # stays the storage's
        a.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))])
        del tensor
        rewrite(pool)
        _, ancillary, _, _ = b.recvmsg(1, socket.CMSG_SPACE(4))
        received = int.from_bytes(ancillary[0][2], sys.byteorder)
        assert set(os.pread(received, 100, 0)) == {79}
        os.close(received)


def test_forked_child_holds_it(pool):
    tensor = written(pool, 80).tensor
    go_r, go_w = os.pipe()
    result_r, result_w = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.read(go_r, 1)
            os.write(result_w, b"same" if bool((tensor == 80).all()) else b"overwritten")
        finally:
            os._exit(0)
    del tensor
    rewrite(pool)
    os.write(go_w, b"x")
    assert os.read(result_r, 20) == b"same"
    os.waitpid(child, 0)
    for fd in (go_r, go_w, result_r, result_w):
        os.close(fd)


@pytest.mark.parametrize("is_copy", [True, False])
def test_copied_descriptor_or_reader(pool, is_copy):
    tensor = written(pool, 82).tensor
    fd, _ = tensor.untyped_storage()._share_fd_cpu_()  # stays the storage's
    reader = os.dup(fd) if is_copy else os.open(f"/proc/self/fd/{fd}", os.O_RDONLY)
    del tensor
    rewrite(pool)
    assert set(os.pread(reader, 100, 0)) == {82}
    os.close(reader)


def test_in_a_forked_child_memory_is_new(pool):
    room = written(pool, 1)
    address = room.address
    del room
    child = os.fork()
    if child == 0:
        os._exit(0 if pool.room(SHAPE, torch.uint8).keeps is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert written(pool, 2).address == address


def test_pool_is_bounded_and_forgets_what_is_kept(pool):
    kept = [written(pool, k) for k in range(60)]
    assert len(pool._files) == 3
    assert all(set(room.tensor.flatten().tolist()) == {k} for k, room in enumerate(kept))
    assert len({room.address for room in kept}) == 60
    oldest = pool._files[0]
    for _ in range(40):
        written(pool, 100)
    assert len(pool._files) == 3 and oldest not in pool._files
    rewrite(pool)


def test_other_sizes_get_memory_of_their_own(pool):
    assert pool.room((3, 3, 32, 32), torch.uint8).keeps is None
    assert pool.room((0, 3, 32, 32), torch.uint8).n_bytes == 0
    assert pool.room(SHAPE, torch.uint8).keeps is not None


def test_a_file_cut_short_is_not_used(pool):
    room = written(pool, 1)
    fd, _ = room.tensor.untyped_storage()._share_fd_cpu_()
    os.ftruncate(fd, 100)
    address = room.address
    del room
    assert address not in {written(pool, 2).address for _ in range(10)}


def lie(error):
    def refuse(fd, command, *arguments):
        if command == fcntl.F_SETLEASE:
            raise OSError(error, os.strerror(error))
        return 0

    return refuse


@pytest.mark.parametrize("error", [errno.EINVAL, errno.EACCES, errno.EAGAIN, errno.EPERM])
def test_systems_without_leases(monkeypatch, error):
    before = len(os.listdir("/proc/self/fd"))
    monkeypatch.setattr(memory.fcntl, "fcntl", lie(error))
    made = Pool(3, Spare())
    rooms = [made.room(SHAPE, torch.uint8) for _ in range(6)]
    assert all(room.keeps is None and room.tensor.is_shared() for room in rooms)
    del rooms
    assert len(os.listdir("/proc/self/fd")) == before


def test_leases_that_mean_nothing(monkeypatch):
    """A system that grants every lease must not be believed."""
    monkeypatch.setattr(memory.fcntl, "fcntl", lambda *ignored: 0)
    room = Pool(3, Spare()).room(SHAPE, torch.uint8)
    assert room.keeps is None


def test_no_descriptor_left(pool):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    n_open = len(os.listdir("/proc/self/fd"))
    kept = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (n_open + 1, hard))
    try:
        with pytest.raises(
            (OSError, RuntimeError)
        ):  # as without a pool: there is no descriptor for a batch
            kept += [pool.room(SHAPE, torch.uint8) for _ in range(10)]
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert pool.room(SHAPE, torch.uint8).tensor.is_shared()


def test_an_open_in_between_ends_nobody(pool):
    """Whoever opens the file while the lease is held makes the kernel send a signal."""
    file = pool._files[0]
    fcntl.fcntl(file.fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    assert fcntl.fcntl(file.fd, fcntl.F_GETSIG) == signal.SIGURG
    with pytest.raises(BlockingIOError):
        os.open(f"/proc/self/fd/{file.fd}", os.O_RDWR | os.O_NONBLOCK)
    fcntl.fcntl(file.fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def test_nothing_is_left_of_a_pool():
    def use():
        made = Pool(3, Spare())
        kept = [written(made, k) for k in range(8)]
        return kept[0].tensor

    def mappings():
        with open("/proc/self/maps", encoding="ascii") as file:
            return file.read().count("dlop-batch")

    use()
    gc.collect()
    before = len(os.listdir("/proc/self/fd")), mappings()
    for _ in range(5):
        use()
    gc.collect()
    assert (len(os.listdir("/proc/self/fd")), mappings()) == before


# ---- files left to the next iterator -------------------------------------------------------------


def test_next_pool_goes_on_with_the_files(pool):
    tensor, room = written(pool, 3).tensor, written(pool, 4)
    address = room.address
    del room
    pool.close()
    assert pool.room(SHAPE, torch.uint8).keeps is None  # it has ended
    second = Pool(3, pool._spare)
    made = [written(second, 90 + k) for k in range(6)]
    assert address in {room.address for room in made}
    assert set(tensor.flatten().tolist()) == {3}


def test_spare_files_are_bounded_and_of_one_size():
    spare = Spare()
    kept = []
    for value in range(5):
        ending = Pool(3, spare)
        kept += [written(ending, value) for _ in range(3)]
        ending.close()
        assert len(spare._files) == 3
    small = Pool(2, spare)
    small.room((1, 3, 32, 32), torch.uint8)
    small.close()
    assert [file.n_bytes for file in spare._files] == [3 * 32 * 32]
    assert [int(room.tensor[0, 0, 0, 0]) for room in kept] == [v for v in range(5) for _ in "abc"]


def test_forked_child_leaves_spare_files_alone(pool):
    common = memory.spare()
    pool.close()
    child = os.fork()
    if child == 0:
        is_alone = pool._spare.take(pool._spare._files[0].n_bytes) is None
        os._exit(0 if is_alone and memory.spare() is not common else 1)
    assert memory.spare() is common
    assert os.waitpid(child, 0)[1] == 0


@pytest.mark.parametrize("is_file_first", [False, True])
def test_what_the_collector_ends_is_not_used(is_file_first):
    """It calls the destructors of an unreachable group in the order in which they were made."""
    if not has_leases():
        pytest.skip("leases: this system grants none on files in memory")

    class Iterator:
        def __init__(self, spare):
            self.cycle, self.pool = self, Pool(3, spare)
            self.pool.room(SHAPE, torch.uint8)

        def __del__(self):
            self.pool.close()

    spare = Spare()
    ended = Iterator(spare)
    if is_file_first:
        younger = Iterator(spare)
        younger.pool = ended.pool
        ended.pool = Pool(3, spare)
        ended = younger
    numbers = [file.fd for file in ended.pool._files]
    del ended
    if is_file_first:
        del younger
    gc.collect()
    others = [os.open(os.devnull, os.O_RDWR) for _ in range(4)]  # with the same numbers
    assert numbers and set(numbers) <= set(others)
    second = Pool(3, spare)
    assert {int(written(second, 5).tensor[0, 0, 0, 0]) for _ in range(4)} == {5}
    assert all(file.is_open() for file in second._files) and len(second._files) <= 3
    for fd in others:
        os.close(fd)


def inodes(loader):
    """Of the memory of each batch of an epoch."""
    found = set()
    for images, _ in loader:
        fd, _ = images.untyped_storage()._share_fd_cpu_()  # stays the storage's
        found.add(os.fstat(fd).st_ino)
    return found


def test_epochs_and_loaders_share_files_until_the_last_is_gone(tiny):
    if not has_leases():
        pytest.skip("leases: this system grants none on files in memory")
    gc.collect()
    n_open = len(os.listdir("/proc/self/fd"))
    dataset = ImageFolder(str(tiny), v1.Compose([v1.Resize((40, 40)), v1.ToTensor()]))
    loaders = [
        dlop.accelerate(DataLoader(dataset, batch_size=2, drop_last=True, num_workers=1))
        for _ in range(2)
    ]
    first = inodes(loaders[0])
    assert len(dataset) >= 12 and len(first) <= 4
    for loader in (loaders[0], loaders[1], loaders[0]):
        assert inodes(loader) <= first
    del loader, loaders
    gc.collect()
    assert memory._spare() is None and len(os.listdir("/proc/self/fd")) <= n_open + 1


@pytest.mark.parametrize("persistent", [False, True])
def test_loader_keeps_what_the_script_keeps(tiny, persistent):
    """Every third batch is kept, whole or as a view; all must be what torch itself makes."""

    def batches(attach):
        torch.manual_seed(5)
        parts = [v1.RandomResizedCrop(32), v1.ToTensor()]
        options = {"batch_size": 4, "shuffle": True, "num_workers": 2}
        loader = DataLoader(
            ImageFolder(str(tiny), v1.Compose(parts)), persistent_workers=persistent, **options
        )
        if attach:
            dlop.accelerate(loader)
        kept, n_bytes = [], 0
        for _ in range(3):
            for number, (images, _) in enumerate(loader):
                n_bytes += images.sum().item()
                if number % 3 == 0:
                    kept.append((images.clone(), images if number % 2 else images[1:3].numpy()))
        for copy, held in kept:
            part = torch.as_tensor(held)
            assert torch.equal(part, copy if len(part) == len(copy) else copy[1:3])
        return [copy for copy, _ in kept], n_bytes

    wanted, made = batches(False), batches(True)
    assert all(torch.equal(a, b) for a, b in zip(wanted[0], made[0])) and wanted[1] == made[1]
