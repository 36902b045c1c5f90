"""The installed framework's side of the comparisons: probed rules and transforms beside our ops.

Works with torch 1.13 and torchvision 0.14 (v1 transforms only) as well as with the newest ones.
"""

import ctypes
import pathlib

import draw_native as native
import numpy as np
import PIL.Image
import torch
import torchvision.transforms as v1

try:
    import torchvision.transforms.v2 as v2
except ImportError:
    v2 = None

DEFAULT_RATIO = (3.0 / 4.0, 4.0 / 3.0)


def blob():
    return torch.get_rng_state().numpy().tobytes()


def vms_exp():
    """Address of MKL's exp in the loaded libtorch, or 0."""
    libraries = pathlib.Path(torch.__file__).parent / "lib"
    try:
        symbol = ctypes.CDLL(str(libraries / "libtorch_cpu.so")).vmsExp
    except (OSError, AttributeError):
        return 0
    return ctypes.cast(symbol, ctypes.c_void_p).value


def probe_rules():
    """Return the rules that fit the installed framework, found by comparing draws."""
    rules = native.make_rules()
    torch.manual_seed(5)
    theirs = torch.empty(4096).uniform_(0.08, 1.0).numpy()
    rules.uniform_is_fused = 0
    if (native.Stream(rules, 5).uniform(0.08, 1.0, 4096) != theirs).any():
        rules.uniform_is_fused = 1
        assert (native.Stream(rules, 5).uniform(0.08, 1.0, 4096) == theirs).all(), "uniform"

    arguments = torch.linspace(-1.2, 1.2, 4096)
    theirs = np.array([torch.exp(argument.reshape(1)).item() for argument in arguments], np.float32)
    rules.exp_fn = vms_exp()
    for kind in range(0 if rules.exp_fn else 1, 4):
        rules.exp_kind = kind
        if (native.exp(rules, arguments.numpy()) == theirs).all():
            break
    else:
        raise AssertionError("no rule for exp fits")

    for log2 in (28, 32):
        rules.randint_wide_log2 = log2
        torch.manual_seed(5)
        theirs = [torch.randint(0, 1 << 28, (1,)).item() for _ in range(8)]
        if native.Stream(rules, 5).randint(0, 1 << 28, 8).tolist() == theirs:
            return rules
    raise AssertionError("no rule for randint fits")


def log_ratio(ratio):
    return [float(value) for value in torch.log(torch.tensor(ratio))]


def resized_crop(size, scale=(0.08, 1.0), ratio=DEFAULT_RATIO, filter=native.BILINEAR):
    return native.op(native.RESIZED_CROP, *size, filter, f=(*scale, *ratio, *log_ratio(ratio)))


def image(width, height, mode="L"):
    return PIL.Image.new(mode, (width, height))


def params(transform, picture):
    """What a v2 transform draws for one picture."""
    make = getattr(transform, "make_params", None) or transform._get_params
    return make([picture])


class Sizes:
    """Random image sizes, some of them extreme."""

    def __init__(self, seed):
        self.random = np.random.RandomState(seed)

    def next(self, low=1, high=600):
        width, height = (int(side) for side in self.random.randint(low, high, 2))
        kind = self.random.randint(0, 10)
        if kind == 0:
            width = low + int(self.random.randint(0, 8))
        if kind == 1:
            height = low + int(self.random.randint(0, 8))
        if kind == 2:
            height = width
        return width, height


def same_state(stream):
    """Whether the framework's global generator stands where ours does."""
    theirs = blob()
    return stream.save(theirs) == theirs


def crop_box(drawn, step=0):
    """(top, left, height, width) of a drawn crop."""
    assert drawn.steps[step].kind == native.CROP_STEP
    x, y, width, height = drawn.steps[step].v[:4]
    return y, x, height, width


def reference_size(size, max_size, width, height):
    """Output (height, width) of Resize, as the framework computes it."""
    if size is None:
        compute = v2.functional._geometry._compute_resized_output_size
        return tuple(compute((height, width), None, max_size))
    compute = v1.functional._compute_resized_output_size
    return tuple(compute((height, width), [size], max_size))


def is_default_capability():
    names = getattr(torch.backends.cpu, "get_cpu_capability", None)
    return names is not None and names() == "DEFAULT"
