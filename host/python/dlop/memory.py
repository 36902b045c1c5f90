"""Memory of batches: shared where a worker's would be, and used again when nobody has it any more.

Key idea: each recycled file in memory has two openings. One is ours, with one mapping into which
the library writes, so that its pages are made once; the other is the tensor's. The kernel refuses
a write lease on a file that anybody else has open or mapped, in whatever process, so a lease that
it grants says that the last tensor, view, copy of the descriptor and forked child are gone. Where
there are no leases every batch gets new memory.

The lease is given back at once. Only an open in between would send a signal, and nobody has a name
of the file to open; the signal is one that is ignored, all the same.

An iterator that ends leaves its files to the next one, of whatever loader, so that a new epoch does
not begin with new pages; the last loader takes them with it (Spare).
"""

from __future__ import annotations

import ctypes as C
import fcntl
import math
import mmap
import os
import signal
import threading
import weakref
from dataclasses import dataclass
from typing import Any

import torch

_MAP_FAILED = C.c_void_p(-1).value
_HUGE_BYTES = 2 << 20  # a wrong guess of the system's size only makes the advice useless
_STALE_ROUNDS = 4  # times the pool was gone through since a busy file was handed out

_libc = C.CDLL(None, use_errno=True)
_libc.mmap.restype = C.c_void_p
_libc.mmap.argtypes = [C.c_void_p, C.c_size_t, C.c_int, C.c_int, C.c_int, C.c_long]
_libc.munmap.argtypes = [C.c_void_p, C.c_size_t]
_libc.madvise.argtypes = [C.c_void_p, C.c_size_t, C.c_int]


@dataclass
class Room:
    """Memory of one batch: the tensor for the script, and where the library writes it."""

    tensor: Any
    address: int
    n_bytes: int
    keeps: Any = None  # what the address lies in, where that is not the tensor


def room_of(tensor: Any) -> Room:
    """A tensor that the library writes where the script reads it."""
    return Room(tensor, tensor.data_ptr(), tensor.numel() * tensor.element_size())


def new_private(shape: tuple[int, ...], dtype: Any) -> Any:
    """An empty tensor in this process's own memory, which the system may back with huge pages: one
    fault then does for 512, and the content is what it would be."""
    tensor = torch.empty(shape, dtype=dtype)
    first = -(-tensor.data_ptr() // _HUGE_BYTES)
    end = (tensor.data_ptr() + tensor.numel() * tensor.element_size()) // _HUGE_BYTES
    if first < end:
        _libc.madvise(first * _HUGE_BYTES, (end - first) * _HUGE_BYTES, mmap.MADV_HUGEPAGE)
    return tensor


def new_shared(shape: tuple[int, ...], dtype: Any) -> Any:
    """An empty tensor in shared memory, mapped from a descriptor as one that a worker sent is.

    The framework's own way to make one reserves and zeroes every page at once, in the script's
    thread; here the threads that write the batch touch its pages first.
    """
    n_bytes = _n_bytes(shape, dtype)
    if not _can_map(n_bytes):
        return torch.empty(shape, dtype=dtype).share_memory_()
    fd = _new_file(n_bytes)
    try:
        return _tensor_of(fd, n_bytes, shape, dtype)
    finally:
        os.close(fd)  # the storage has its own


class Spare:
    """Files of iterators that have ended, all of one size. Any thread of the process.

    The collector may end an iterator and its files at once, in any order: files given here may be
    closed already, or be closed at any moment.
    """

    def __init__(self) -> None:
        self._files: list[_File] = []  # given last, last
        self._lock, self.pid = threading.Lock(), os.getpid()

    def give(self, files: list[_File]) -> None:
        """Keep these and, up to as many in all, those of the same size that were here."""
        files = [file for file in files if file.is_open()]
        if not files or os.getpid() != self.pid:
            return
        n_bytes = files[0].n_bytes
        with self._lock:
            same = [file for file in self._files if file.n_bytes == n_bytes and file.is_open()]
            self._files = (same + files)[-max(len(same), len(files)) :]

    def take(self, n_bytes: int) -> _File | None:
        """A file that nobody has; None where there is none."""
        if os.getpid() != self.pid:
            return None
        with self._lock:
            for k in range(len(self._files) - 1, -1, -1):
                if self._files[k].n_bytes == n_bytes and self._files[k].is_free():
                    return self._files.pop(k)
        return None


_spare: weakref.ref[Spare] | None = None


def spare() -> Spare:
    """The process's own, kept by whoever holds what this returns."""
    global _spare
    made = _spare() if _spare is not None else None
    if made is None or made.pid != os.getpid():
        made = Spare()
        _spare = weakref.ref(made)
    return made


class Pool:
    """Shared memory of one iterator's batches. One thread."""

    def __init__(self, n_max: int, spare: Spare) -> None:
        """n_max: most files kept, the batches in flight and those that the script still holds."""
        self._n_max, self._spare, self._pid = n_max, spare, os.getpid()
        self._files: list[_File] = []  # the one handed out longest ago first
        self._is_on = True
        self._n_rooms = 0

    def room(self, shape: tuple[int, ...], dtype: Any) -> Room:
        """Memory of a batch, its content anything. Batches of another size than the first, and
        those for which no file is free, get memory of their own."""
        n_bytes = _n_bytes(shape, dtype)
        self._n_rooms += 1
        if self._is_usable(n_bytes):
            try:
                file = self._take(n_bytes)
                if file is not None:
                    return Room(file.tensor(shape, dtype), file.address, n_bytes, file)
            except (OSError, RuntimeError):  # no leases here, or too many open files
                self._is_on = False
                self._files.clear()
        return room_of(new_shared(shape, dtype))

    def _is_usable(self, n_bytes: int) -> bool:
        is_ours = self._is_on and os.getpid() == self._pid and _can_map(n_bytes)
        return is_ours and (not self._files or self._files[0].n_bytes == n_bytes)

    def _take(self, n_bytes: int) -> _File | None:
        """A file that nobody has, at the end of the list; None where there is none."""
        for k, file in enumerate(self._files):
            if file.is_free():
                self._files.append(self._files.pop(k))
                file.taken = self._n_rooms
                return file
        if len(self._files) == self._n_max:
            if self._n_rooms - self._files[0].taken <= _STALE_ROUNDS * self._n_max:
                return None  # soon free again
            del self._files[0]  # the script keeps it
        file = self._spare.take(n_bytes) or _File(n_bytes)
        self._files.append(file)
        file.taken = self._n_rooms
        return file

    def close(self) -> None:
        """The iterator has ended and the library writes no more: leave the files to the next."""
        files, self._files, self._is_on = self._files, [], False
        self._spare.give(files)


class _File:
    """A file in memory, our opening and our mapping of it."""

    def __init__(self, n_bytes: int) -> None:
        """OSError where the system has not all that is needed."""
        self.n_bytes, self.taken = n_bytes, 0
        self.fd, self.address = -1, 0
        first = _new_file(n_bytes)
        try:
            self.fd = _open_again(first)
        finally:
            os.close(first)  # what made the file does not count as an opening of it
        self._lease()
        other = _open_again(self.fd)
        try:
            if self.is_free():
                raise OSError("leases are granted although others have the file open")
        finally:
            os.close(other)
        protection = mmap.PROT_READ | mmap.PROT_WRITE
        address = _libc.mmap(None, n_bytes, protection, mmap.MAP_SHARED, self.fd, 0)
        if address in (None, _MAP_FAILED):
            raise OSError(C.get_errno(), "mmap")
        self.address = address

    def tensor(self, shape: tuple[int, ...], dtype: Any) -> Any:
        """An empty tensor in the file, with an opening of its own."""
        fd = _open_again(self.fd)
        try:
            return _tensor_of(fd, self.n_bytes, shape, dtype)
        finally:
            os.close(fd)

    def is_open(self) -> bool:
        """Whether it is still of use: not after the collector's visit."""
        return self.fd >= 0

    def is_free(self) -> bool:
        """Whether no process has the file open or mapped, but for this opening and mapping."""
        if not self.is_open():
            return False
        try:
            self._lease()
        except OSError:
            return False
        return os.fstat(self.fd).st_size == self.n_bytes

    def _lease(self) -> None:
        fcntl.fcntl(self.fd, fcntl.F_SETSIG, signal.SIGURG)  # each unlock forgets it
        fcntl.fcntl(self.fd, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        fcntl.fcntl(self.fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)

    def __del__(self, munmap: Any = _libc.munmap, close: Any = os.close) -> None:
        address, fd, self.address, self.fd = self.address, self.fd, 0, -1
        if address:
            munmap(address, self.n_bytes)
        if fd >= 0:
            close(fd)


def _n_bytes(shape: tuple[int, ...], dtype: Any) -> int:
    return torch.empty(0, dtype=dtype).element_size() * math.prod(shape)


def _can_map(n_bytes: int) -> bool:
    return n_bytes > 0 and torch.multiprocessing.get_sharing_strategy() == "file_descriptor"


def _new_file(n_bytes: int) -> int:
    fd = os.memfd_create("dlop-batch", os.MFD_CLOEXEC)
    try:
        os.ftruncate(fd, n_bytes)
    except OSError:
        os.close(fd)
        raise
    return fd


def _open_again(fd: int) -> int:
    """The same file through an opening of its own."""
    return os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)


def _tensor_of(fd: int, n_bytes: int, shape: tuple[int, ...], dtype: Any) -> Any:
    storage = torch.UntypedStorage._new_shared_fd_cpu(fd, n_bytes)
    return torch.empty(0, dtype=dtype).set_(storage, 0, shape)
