"""Memory of a batch: shared where a worker's would be, and not touched before it is written."""

import os

import pytest
import torch
from dlop.batch import new_shared


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
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(20):
        new_shared((100,), torch.uint8)
    assert len(os.listdir("/proc/self/fd")) == before


def test_empty_and_other_strategies_are_shared_too():
    assert new_shared((0, 3), torch.float32).is_shared()
    if "file_system" not in torch.multiprocessing.get_all_sharing_strategies():
        pytest.skip("file_system: this torch shares by descriptors only")
    torch.multiprocessing.set_sharing_strategy("file_system")
    try:
        assert new_shared((2, 3), torch.float32).is_shared()
    finally:
        torch.multiprocessing.set_sharing_strategy("file_descriptor")
