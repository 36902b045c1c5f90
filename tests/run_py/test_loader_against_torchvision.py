"""The loader through ctypes against torchvision on photographs: tensors and random state."""

import ctypes as C
import pathlib
import sys

import pytest

torch = pytest.importorskip("torch", reason="torch: not installed")
torchvision = pytest.importorskip("torchvision", reason="torchvision: not installed")
from PIL import Image  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "host" / "python"))
from dlop import _lib, probe, rng  # noqa: E402

PHOTOS = ROOT / "build" / "photos"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
N_BATCH, N_IN_FLIGHT = 16, 3
SIZE = 224


def photos(name, limit):
    paths = sorted(p for p in (PHOTOS / name).rglob("*") if p.suffix.lower() in (".jpg", ".jpeg"))
    if not paths:
        pytest.skip(f"photos: no photographs in build/photos/{name} (make photos)")
    return paths[:: max(1, len(paths) // limit)][:limit]


def transform():
    t = torchvision.transforms
    return t.Compose(
        [
            t.RandomResizedCrop(SIZE),
            t.RandomHorizontalFlip(),
            t.ToTensor(),
            t.Normalize(MEAN, STD),
        ]
    )


def pack_table():
    """What ToTensor and Normalize make of 0..255, [3][256] f32."""
    ramp = torch.arange(256, dtype=torch.uint8).view(1, 1, 256).expand(3, 1, 256)
    values = ramp.to(torch.float32) / 255
    return torchvision.transforms.functional.normalize(values, MEAN, STD).contiguous()


class Loader:
    """One stream over files: batches in order, needs answered by Pillow."""

    def __init__(self, paths, n_threads):
        self.paths, self.needs = paths, []
        lib = _lib.lib()
        cfg = _lib.config(_lib.CtxCfg, n_threads=n_threads, device=b"cpu")
        self.ctx = self._open("dlop_ctx_open", "dlop_ctx_close", C.byref(cfg))
        names = b"".join(str(p).encode() + b"\0" for p in paths)
        self.source = self._open(
            "dlop_source_open_files",
            "dlop_source_close",
            self.ctx.address,
            names,
            len(names),
            len(paths),
        )
        self.plan = self._open_plan()
        loader_cfg = _lib.config(
            _lib.LoaderCfg, n_streams=1, max_batches=N_IN_FLIGHT, max_batch_records=N_BATCH
        )
        self.loader = self._open(
            "dlop_loader_open",
            "dlop_loader_close",
            self.plan.address,
            self.source.address,
            C.byref(loader_cfg),
        )
        self.lib = lib

    def _open(self, function, close, *arguments):
        out = C.c_void_p()
        _lib.check(getattr(_lib.lib(), function)(*arguments, C.byref(out)), function)
        return _lib.Handle(out.value, close)

    def _open_plan(self):
        ops = (_lib.Op * 2)()
        lo, hi = torch.log(torch.tensor((3 / 4, 4 / 3))).tolist()
        ops[0].kind = _lib.OP_RESIZED_CROP
        ops[0].i[:3] = [SIZE, SIZE, 2]
        scale = torch.tensor([0.08, 1.0]).tolist()
        ops[0].f[:6] = [*scale, *torch.tensor([3 / 4, 4 / 3]).tolist(), lo, hi]
        ops[1].kind = _lib.OP_FLIP_X
        ops[1].f[0] = 0.5
        self.table = pack_table()
        cfg = _lib.config(
            _lib.PlanCfg,
            n_ops=2,
            ops=C.cast(ops, C.POINTER(_lib.Op)),
            rules=C.pointer(probe.draw_rules()),
            src_channels=3,
            out_channels=3,
            element_bytes=4,
            pass_rule=probe.pass_rule(),
            pack_table=self.table.data_ptr(),
        )
        out, reason = C.c_void_p(), C.create_string_buffer(120)
        status = _lib.lib().dlop_plan_open(
            self.ctx.address, C.byref(cfg), C.byref(out), reason, 120
        )
        _lib.check(status, reason.value.decode())
        return _lib.Handle(out.value, "dlop_plan_close")

    def submit(self, indices):
        out = torch.full((len(indices), 3, SIZE, SIZE), float("nan"))
        batch = C.c_void_p()
        array = (C.c_uint64 * len(indices))(*indices)
        n_bytes = out.numel() * out.element_size()
        status = self.lib.dlop_loader_submit(
            self.loader.address, 0, array, len(indices), out.data_ptr(), n_bytes, C.byref(batch)
        )
        assert status == _lib.OK
        return batch, out

    def wait(self, batch):
        need = _lib.Need()
        while True:
            status = self.lib.dlop_batch_wait(self.loader.address, batch, 100, C.byref(need))
            if status == _lib.OK:
                return
            assert status in (_lib.AGAIN, _lib.NEED_PIXELS)
            if status == _lib.NEED_PIXELS:
                self.answer(need)

    def answer(self, need):
        self.needs.append(need.reason.decode())
        with Image.open(self.paths[need.index]) as image:
            image = image.convert("RGB")
        status = self.lib.dlop_batch_supply(
            self.loader.address,
            need.batch,
            need.position,
            image.tobytes(),
            image.height,
            image.width,
        )
        assert status == _lib.OK

    def batches(self, order):
        """Tensors of the records in this order, N_IN_FLIGHT batches ahead."""
        chunks = [order[i : i + N_BATCH] for i in range(0, len(order), N_BATCH)]
        ahead = []
        while chunks or ahead:
            while chunks and len(ahead) < N_IN_FLIGHT:
                ahead.append(self.submit(chunks.pop(0)))
            batch, out = ahead.pop(0)
            self.wait(batch)
            self.lib.dlop_batch_release(self.loader.address, C.byref(batch))
            yield out

    def close(self):
        for handle in (self.loader, self.plan, self.source, self.ctx):
            handle.close()


def wanted_and_state(paths, order):
    torch.manual_seed(99)
    make, wanted = transform(), []
    for i in order:
        with Image.open(paths[i]) as image:
            wanted.append(make(image.convert("RGB")))
    return wanted, rng.from_torch(torch.get_rng_state())


@pytest.mark.parametrize("name, limit", [("imagenet", 150), ("q90-420", 30), ("large", 4)])
def test_same_bits_as_torchvision(name, limit):
    paths = photos(name, limit)
    order = torch.randperm(len(paths), generator=torch.Generator().manual_seed(3)).tolist()
    wanted, state = wanted_and_state(paths, order)
    for n_threads in (1, 2, 7):
        loader = Loader(paths, n_threads)
        loader.lib.dlop_loader_set_stream(loader.loader.address, 0, rng.seeded(99))
        got = torch.cat(list(loader.batches(order)))
        after = _lib.RngState()
        loader.lib.dlop_loader_get_stream(loader.loader.address, 0, C.byref(after))
        loader.close()
        for k, i in enumerate(order):
            assert torch.equal(got[k], wanted[k]), f"record {k}, {paths[i]}, {n_threads} threads"
        assert rng.same(after, state)
        assert not loader.needs


def test_a_png_among_the_files_is_made_from_the_callers_pixels(tmp_path):
    paths = photos("imagenet", 5)
    with Image.open(paths[2]) as image:
        image.save(tmp_path / "photo.png")
        image.convert("RGB").save(tmp_path / "photo.jpg", progressive=True)
    paths[2:2] = [tmp_path / "photo.png", tmp_path / "photo.jpg"]
    order = list(range(len(paths)))
    wanted, _ = wanted_and_state(paths, order)
    loader = Loader(paths, 2)
    loader.lib.dlop_loader_set_stream(loader.loader.address, 0, rng.seeded(99))
    got = torch.cat(list(loader.batches(order)))
    loader.close()
    assert torch.equal(got, torch.stack(wanted))
    assert len(loader.needs) == 2
    assert "PNG" in loader.needs[0] and "progressive" in loader.needs[1]
