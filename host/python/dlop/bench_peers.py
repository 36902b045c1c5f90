"""Other loaders within `dlop bench loader`: which are there, what their pixels are, their rows.

Key idea: a peer is imported and run in measured children only; what goes wrong there becomes the
reason that the table gives in place of its row. Its pixels are compared where the draws can be
fixed: the first batch of whole pictures resized to 224 x 224, in order, without a flip. Not here:
the peers themselves (`peers/`).
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib import metadata
from typing import Any

from . import bench_common, peers


def check_names(parser: argparse.ArgumentParser, names: list[str]) -> None:
    """End with wrong usage where a peer is asked for that there is none of."""
    for name in names if names != ["all"] else []:
        try:
            peers.load(name)
        except ValueError as error:
            parser.error(f"--peers: {error}")


def versions(peer: Any) -> dict[str, str]:
    """What a peer says itself, and versions of its distributions that are installed."""
    found = dict(peer.versions()) if hasattr(peer, "versions") else {}
    for package in peer.PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def show_list() -> None:
    """Each peer, whether it is there, and what to install."""
    for name in peers.NAMES:
        peer = peers.load(name)
        lacking = peers.missing(peer)
        found = "" if lacking else ", ".join(f"{k} {v}" for k, v in versions(peer).items())
        state = f"no {lacking}: {peer.INSTALL}" if lacking else f"installed ({found})"
        print(f"{name:22}{peer.TITLE}\n{'':22}{state}")


class Peers:
    """The peers of one run; as a context, it owns their scratch folders."""

    def __init__(self, options: argparse.Namespace, samples: Any, cores: list[int]) -> None:
        self.names = list(peers.NAMES) if options.peers == ["all"] else list(options.peers)
        self.failed: dict[str, str] = {}
        self._options, self._samples, self._cores = options, samples, cores
        self._facts: dict[str, dict[str, Any]] = {}
        self._folder = ""

    def __enter__(self) -> Peers:
        self._folder = tempfile.mkdtemp(prefix="dlop-bench-")
        try:
            for name in self.names:
                self._prepare(name)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def _prepare(self, name: str) -> None:
        peer = peers.load(name)
        lacking = peers.missing(peer)
        if lacking:
            self.failed[name] = f"no {lacking}: {peer.INSTALL}"
            return
        self._facts[name] = {"title": peer.TITLE, "versions": versions(peer)}
        pixels = self._guarded(name, lambda: _differences(peer, self._job(name, True)))
        self._facts[name]["pixels"] = pixels  # None: it failed

    def _job(self, name: str, is_fixed: bool) -> peers.Job:
        scratch = os.path.join(self._folder, name, "fixed" if is_fixed else "random")
        os.makedirs(scratch, exist_ok=True)
        options = self._options
        samples = self._samples[: options.batch_size] if is_fixed else self._samples
        return peers.Job(samples, options.batch_size, options.cores, 1, is_fixed, scratch)

    def _guarded(self, name: str, function: Callable[[], Any]) -> Any:
        """function() in a child, or None and the reason kept."""
        try:
            return bench_common.in_child(function, self._cores)
        except bench_common.ChildError as error:
            self.failed[name] = str(error)
            return None

    def measure(self, name: str, measure: Callable[[Any], dict[str, float]]) -> Any:
        """Figures of one run of a peer, or None: it failed and is out."""
        peer, job = peers.load(name), self._job(name, False)
        return self._guarded(name, lambda: measure(peer.open_epochs(job)))

    def facts(self, name: str) -> dict[str, Any]:
        """What belongs beside a peer's figures."""
        return self._facts.get(name, {})


def _differences(peer: Any, job: peers.Job) -> dict[str, Any]:
    """How far a peer's first batch of whole pictures is from Pillow's, in levels of 8 bits."""
    import torch
    from PIL import Image
    from torchvision import transforms as v1

    resize = v1.Compose([v1.Resize((peers.SIZE_PX, peers.SIZE_PX)), v1.PILToTensor()])
    wanted = []
    for path, _ in job.samples:
        with Image.open(path) as picture:
            wanted.append(resize(picture.convert("RGB")).to(torch.float64))
    batch = next(iter(peer.open_epochs(job)()))
    made = torch.as_tensor(batch).to(torch.float64)
    shape = (len(wanted), 3, peers.SIZE_PX, peers.SIZE_PX)
    if tuple(made.shape) != shape or str(batch.dtype).split(".")[-1] != "float32":
        raise ValueError(f"a batch of {batch.dtype} {tuple(made.shape)}, not float32 {shape}")
    mean, std = (
        torch.tensor(v, dtype=torch.float64).view(3, 1, 1) for v in (peers.MEAN, peers.STD)
    )
    apart = ((made * std + mean) * 255 - torch.stack(wanted)).abs()
    figures = {"max": round(float(apart.max()), 3), "mean": round(float(apart.mean()), 3)}
    return {**figures, "of": "whole pictures resized; random draws differ"}


def show(result: dict[str, Any]) -> None:
    """What the table says of peers: DLOP's lead over each, their pixels, and who failed."""
    for one in result["contestants"]:
        if "dlop_over" in one:
            over, pixels = one["dlop_over"], one.get("pixels")
            print(
                f"{'dlop over ' + one['name']:32}{over['wall']:6.2f} wall{over['cpu']:6.2f} CPU"
                + (
                    f"; levels apart: mean {pixels['mean']}, at most {pixels['max']}"
                    if pixels
                    else ""
                )
            )
    for name, reason in result["failed"].items():
        print(f"{name}: no figures, {reason}")
