"""Runs scripts in processes of their own, with and without the boot folder, and gathers what they
print. The text that a script prints is what is compared."""

import os
import subprocess
import sys
import textwrap

from conftest import BOOT, ROOT

PRELUDE = """
import hashlib, sys, torch
from torch.utils.data import DataLoader, Dataset, DistributedSampler
from torchvision import transforms as T
from torchvision.datasets import ImageFolder

def loader(root, **options):
    parts = [T.RandomResizedCrop(32), T.RandomHorizontalFlip(), T.ToTensor()]
    dataset = ImageFolder(root, T.Compose(parts))
    return DataLoader(dataset, batch_size=8, **options)

def digest(batches):
    value = hashlib.sha256()
    for images, targets in batches:
        value.update(images.numpy().tobytes() + targets.numpy().tobytes())
        value.update(torch.get_rng_state().numpy().tobytes())
    return value.hexdigest()
"""


def environment(attach, **values):
    """Environment of a script; values of None are removed."""
    made = {k: v for k, v in os.environ.items() if not k.startswith("DLOP_")}
    made["DLOP_LIBRARY"] = os.environ["DLOP_LIBRARY"]
    path = [str(BOOT)] if attach else []
    inherited = os.environ.get("PYTHONPATH")
    made["PYTHONPATH"] = os.pathsep.join(path + ([inherited] if inherited else []))
    made.update({k: v for k, v in values.items() if v is not None})
    return made


def write(folder, name, text):
    path = folder / name
    path.write_text(PRELUDE + textwrap.dedent(text))
    return str(path)


def run(command, attach=True, limit_s=120, cwd=ROOT, **values):
    """Completed process with text output; the python of this test run is sys.executable."""
    return subprocess.run(
        command,
        env=environment(attach, **values),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=limit_s,
        stdin=subprocess.DEVNULL,
    )


def both(script, *arguments, launcher=(), **options):
    """Output of a script without and with the attachment; both must end well."""
    command = [sys.executable, *launcher, script, *map(str, arguments)]
    plain, attached = run(command, attach=False, **options), run(command, **options)
    assert plain.returncode == 0, plain.stderr[-2000:]
    assert attached.returncode == 0, attached.stderr[-2000:]
    return plain, attached
