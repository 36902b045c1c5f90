"""What happened to each loader: one line on standard error, and a JSON report at the end.

Key idea: a Loader record per DataLoader object of this process, filled by whoever serves it. With
DLOP_REPORT, each process adds its part to the one file under a lock, whole or not at all, so that
the ranks of a distributed run end up in one report. Schema "dlop.report/1".
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import functools
import json
import os
import sys
import weakref
from dataclasses import asdict, dataclass, field
from typing import Any

from . import _lib

_MAX_FILES = 10_000
is_quiet = False  # a measurement, whose lines nobody wants


@dataclass
class Loader:
    """Counts and reasons of one loader."""

    number: int
    dataset: str
    records: int | None
    tier: str = ""
    device: str | None = None
    threads: int = 0
    reason: str = ""
    batches: int = 0
    samples: int = 0
    verified_batches: int = 0
    mismatches: list[dict[str, Any]] = field(default_factory=list)
    fallbacks: dict[str, int] = field(default_factory=dict)
    fallback_files: list[dict[str, str]] = field(default_factory=list)
    errors: list[dict[str, str]] = field(default_factory=list)
    _said: set[str] = field(default_factory=set, repr=False)

    def say(self, tier: str, reason: str, device: str | None = None, threads: int = 0) -> None:
        """Set the tier; print the loader's line unless it was printed already."""
        self.tier, self.reason, self.device, self.threads = tier, reason, device, threads
        if device not in (None, "cpu"):
            _say_devices_at_exit(os.getpid())
        text = f"tier {tier}"
        if device:
            text += f" on {device}, {threads} thread{'s' if threads != 1 else ''}"
        if reason:
            text += f": {reason}"
        if text not in self._said:
            self._said.add(text)
            records = "" if self.records is None else f", {self.records} records"
            note(f"loader {self.number} ({self.dataset}{records}): {text}")

    def fallback(self, path: str, reason: str) -> None:
        """A record that the framework's own decoder made."""
        self.fallbacks[reason] = self.fallbacks.get(reason, 0) + 1
        known = any(entry["file"] == path for entry in self.fallback_files)
        if not known and len(self.fallback_files) < _MAX_FILES:
            self.fallback_files.append({"file": path, "reason": reason})

    def error(self, path: str, text: str, action: str) -> None:
        """A record that could not be made."""
        if len(self.errors) < _MAX_FILES:
            self.errors.append({"file": path, "error": text, "action": action})


def note(text: str) -> None:
    """One line on standard error."""
    if is_quiet:
        return
    rank = os.environ.get("RANK", "")
    many = rank and os.environ.get("WORLD_SIZE", "1") not in ("", "1")
    try:
        sys.stderr.write(f"dlop{f' rank {rank}' if many else ''}: {text}\n")
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):
        pass  # the script closed it


_loaders: list[Loader] = []
_by_object: weakref.WeakKeyDictionary[Any, Loader] = weakref.WeakKeyDictionary()
_pid = os.getpid()


def of(loader: Any, dataset: str, records: int | None) -> Loader:
    """The record of this DataLoader object, made at the first call."""
    _forget_after_fork()
    try:
        entry = _by_object.get(loader)
    except TypeError:  # a subclass that cannot be hashed
        entry = None
    if entry is None:
        entry = Loader(len(_loaders), dataset, records)
        _loaders.append(entry)
        if len(_loaders) == 1 and os.environ.get("DLOP_REPORT"):
            atexit.register(_write_at_exit, os.getpid())
        with contextlib.suppress(TypeError):
            _by_object[loader] = entry
    entry.dataset, entry.records = dataset, records
    return entry


def _forget_after_fork() -> None:
    global _pid
    if _pid != os.getpid():
        _pid = os.getpid()
        _loaders.clear()
        _by_object.clear()


@functools.cache
def _say_devices_at_exit(pid: int) -> None:
    atexit.register(_say_devices, pid)


def _say_devices(pid: int) -> None:
    """Who made how many records, and what went wrong on the way."""
    if pid != os.getpid():
        return
    with contextlib.suppress(_lib.LibraryError, ValueError):
        for context in _lib.devices():
            shares = (
                f"{d['device']}{' (stands by)' if d['stands_by'] else ''} {d['records']} records"
                for d in context["devices"]
            )
            note(f"devices: {', '.join(shares)}")
            for event in context["events"]:
                if event["kind"] not in ("healed", "note"):
                    note(_event_line(event))


def _event_line(event: dict[str, Any]) -> str:
    times = f", {event['count']} times" if event["count"] > 1 else ""
    records = f" ({event['records']} records)" if event["records"] else ""
    return f"device {event['device']} {event['kind']}{times}: {event['text']}{records}"


def _write_at_exit(pid: int) -> None:
    if pid == os.getpid():
        try:
            write(os.environ["DLOP_REPORT"])
        except Exception as error:
            note(f"report not written: {type(error).__name__}: {error}")


def part() -> dict[str, Any]:
    """This process's part of the report."""
    loaders = []
    for entry in _loaders:
        values = asdict(entry)
        del values["_said"]
        loaders.append(values)
    try:
        metrics, devices = _lib.metrics(), _lib.devices()
    except (_lib.LibraryError, ValueError):
        metrics, devices = None, []
    process = {"pid": os.getpid(), "rank": os.environ.get("RANK"), "argv": sys.argv}
    return {**process, "loaders": loaders, "metrics": metrics, "devices": devices}


def write(path: str) -> None:
    """Add this process's part to the report file."""
    mine = part()
    lock = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with open(path, encoding="utf-8") as file:
            text = file.read()
        report = _parse(text)
        report["processes"].append(mine)
        data = json.dumps(report, indent=1).encode()
        os.pwrite(lock, data, 0)
        os.ftruncate(lock, len(data))
    finally:
        os.close(lock)


def _parse(text: str) -> dict[str, Any]:
    run = os.environ.get("DLOP_HELLO", "")
    try:
        report = json.loads(text)
        if report["schema"] == "dlop.report/1" and report["run"] == run:
            return report
    except (ValueError, KeyError, TypeError):
        pass
    return {"schema": "dlop.report/1", "run": run, "processes": []}
