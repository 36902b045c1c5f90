"""DLOP for PyTorch: the input pipeline of a training script on an offload device, same bits.

Under `dlop run` nothing of this package is named by the script. In a notebook:

    import dlop
    dlop.accelerate(loader)

torch is imported by neither of the two before the script does.
"""

from __future__ import annotations

from ._lib import VERSION as __version__

__all__ = ["__version__", "accelerate"]


def accelerate(loader: object) -> object:
    """Attach this one torch DataLoader by hand; returns it. Falls back as `dlop run` does."""
    from . import hook

    return hook.accelerate(loader)
