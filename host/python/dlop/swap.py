"""The leaf operations of tier B: decoding a JPEG, calling a Compose.

Key idea: a swap takes only what is exactly known (a plain baseline file in a default decoder, a
composition that has a proved plan) and otherwise calls what it replaced. Pixels go into a Pillow
image through a decoder registered with Pillow's own interface, so that all bookkeeping of the image
stays Pillow's in every release.
"""

from __future__ import annotations

import sys
from typing import Any

from . import plan, probe, rng, stock, transforms

_DECODER = "dlop_pixels"
_RAW_MODES = {"RGB": ("RGBX", 4), "L": ("L", 1)}
_MODE_UNCHANGED, _MODE_RGB = 0, 3  # torchvision.io.ImageReadMode
_installed: list[tuple[Any, str, Any]] = []
_depth = 0
_plans: dict[Any, plan.Plan | None] = {}


def install() -> None:
    """Put the swaps in place; calls nest."""
    global _depth
    _depth += 1
    if _depth > 1:
        return
    from PIL import ImageFile, JpegImagePlugin

    _register_decoder()
    _replace(JpegImagePlugin.JpegImageFile, "load", _load, ImageFile.ImageFile.load)
    v1 = sys.modules.get("torchvision.transforms.transforms")
    v2 = sys.modules.get("torchvision.transforms.v2")
    if v1 is not None:
        _replace(v1.Compose, "__call__", _compose(v1.Compose.__call__), v1.Compose.__call__)
    if v2 is not None:
        _replace(v2.Compose, "forward", _compose(v2.Compose.forward), v2.Compose.forward)
    _swap_tensor_decoders()


def remove() -> None:
    """Undo the last install."""
    global _depth
    _depth -= 1
    if _depth > 0:
        return
    while _installed:
        owner, name, before = _installed.pop()
        if before is None:
            delattr(owner, name)
        else:
            setattr(owner, name, before)


def _replace(owner: Any, name: str, mine: Any, replaced: Any) -> None:
    if not stock.is_stock_function(replaced):
        return
    _installed.append((owner, name, vars(owner).get(name)))
    mine._dlop_stock = replaced
    setattr(owner, name, mine)


# ---- Pillow --------------------------------------------------------------------------------------


def _register_decoder() -> None:
    from PIL import Image, ImageFile

    if _DECODER in Image.DECODERS:
        return

    class PixelsDecoder(ImageFile.PyDecoder):
        """Takes the pixels from the tile's arguments instead of from the file."""

        _pulls_fd = True

        def decode(self, buffer: Any) -> tuple[int, int]:
            pixels, raw_mode = self.args
            self.set_as_raw(pixels, raw_mode)
            return -1, 0

    Image.register_decoder(_DECODER, PixelsDecoder)


def _load(self: Any) -> Any:
    """ImageFile.load of a JPEG: our pixels where the file is ours."""
    from PIL import ImageFile

    if self.tile:
        try:
            tile = _tile_with_pixels(self)
        except Exception:  # whatever it is, Pillow finds it too and says it in its own words
            tile = None
        if tile is not None:
            self.tile = [tile]
    return ImageFile.ImageFile.load(self)


def _tile_with_pixels(image: Any) -> Any | None:
    from PIL import JpegImagePlugin

    if type(image) is not JpegImagePlugin.JpegImageFile or len(image.tile) != 1:
        return None
    tile = image.tile[0]
    raw = _RAW_MODES.get(image.mode)
    is_default = tile[0] == "jpeg" and tuple(tile[1]) == (0, 0, *image.size) and tile[2] == 0
    if raw is None or not is_default or tuple(tile[3]) != (image.mode, ""):
        return None
    if tuple(image.decoderconfig) != ():
        return None
    raw_mode, channels = raw
    image.fp.seek(0)
    pixels = probe.decode(image.fp.read(), *image.size, channels)
    if pixels is None:
        return None
    values = (_DECODER, tile[1], tile[2], (pixels, raw_mode))
    return type(tile)(*values) if hasattr(tile, "_fields") else values


# ---- torchvision ---------------------------------------------------------------------------------


def _swap_tensor_decoders() -> None:
    import torch

    if "torchvision.io.image" not in sys.modules:
        return
    for name in ("decode_image", "decode_jpeg"):
        before = getattr(torch.ops.image, name, None)
        if before is None or not hasattr(before, "overloadpacket") and not callable(before):
            continue
        _installed.append((torch.ops.image, name, before))
        setattr(torch.ops.image, name, _tensor_decoder(before))


def _tensor_decoder(stock_op: Any) -> Any:
    def decode(data: Any, mode: int = _MODE_UNCHANGED, *rest: Any) -> Any:
        made = None
        if mode in (_MODE_UNCHANGED, _MODE_RGB) and not any(rest):
            made = _decode_tensor(data, mode)
        return stock_op(data, mode, *rest) if made is None else made

    return decode


def _decode_tensor(data: Any, mode: int) -> Any | None:
    """[3][h][w] on [h][w][3] memory, as torchvision's decoder gives it, or None."""
    import torch

    if type(data) is not torch.Tensor or data.dtype is not torch.uint8 or data.dim() != 1:
        return None
    if data.device.type != "cpu" or not data.is_contiguous():
        return None
    file = bytes(data.numpy())
    info = probe.jpeg_info(file)
    if info is None or (mode == _MODE_UNCHANGED and info.n_components != 3):
        return None
    pixels = probe.decode(file, info.width_px, info.height_px, 3)
    if pixels is None:
        return None
    flat = torch.frombuffer(bytearray(pixels), dtype=torch.uint8)
    return flat.view(info.height_px, info.width_px, 3).permute(2, 0, 1)


def _compose(stock_call: Any) -> Any:
    def call(self: Any, *inputs: Any) -> Any:
        if len(inputs) == 1:
            made = _transformed(self, inputs[0])
            if made is not None:
                return made
        return stock_call(self, *inputs)

    return call


def _transformed(compose: Any, image: Any) -> Any | None:
    """The composition's result by its plan, or None with nothing drawn."""
    import torch

    try:
        mode = _mode_of(image)
        made = _plan_of(compose, mode) if mode is not None else None
        if made is None:
            return None
        if mode == "tensor":
            pixels = image.permute(1, 2, 0).contiguous()
            (height, width), address = pixels.shape[:2], pixels.data_ptr()
        else:
            (width, height), address = image.size, image.tobytes()
        blob = torch.get_rng_state()
        state = rng.from_torch(blob)
        result = made.run(state, address, height, width)
    except Exception:  # a damaged file: the composition meets it after its own draws
        return None
    if result is not None:
        torch.set_rng_state(rng.into_torch(state, blob))
    return result


def _mode_of(image: Any) -> str | None:
    import torch
    from PIL import Image

    if isinstance(image, Image.Image):
        return image.mode if image.mode in _RAW_MODES else None
    if type(image) is torch.Tensor and image.dtype is torch.uint8 and image.dim() == 3:
        return "tensor" if image.shape[0] == 3 and image.device.type == "cpu" else None
    return None


def _plan_of(compose: Any, mode: str) -> plan.Plan | None:
    key = (mode, transforms.signature(compose))
    if key not in _plans:
        _plans[key] = None  # proving the plan calls this very composition
        try:
            recipe = transforms.cached(compose, mode)
            if recipe.layout is None:
                raise transforms.Unmapped("strides that depend on the image")
            _plans[key] = plan.get(recipe, recipe.layout == "hwc", compose, mode, None)
        except (transforms.Unmapped, stock.Modified, probe.ProbeFailed):
            pass
    return _plans[key]
