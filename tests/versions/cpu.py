"""Which kind of vectors torch uses, in the words of its newer releases."""

import torch

_LABEL = "CPU capability usage: "
_NO_VECTORS = {"NO AVX": "DEFAULT"}  # as torch 1.13 says it


def capability():
    """DEFAULT, AVX2, AVX512, ..."""
    lines = [line for line in torch.__config__.show().splitlines() if _LABEL in line]
    text = lines[0].split(_LABEL)[1].strip()
    return _NO_VECTORS.get(text, text)
