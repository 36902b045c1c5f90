"""Custom datasets: their own code, with JPEG decoding and known compositions swapped."""

import io

import dlop
import pytest
import torch
from dlop import probe, swap
from pair import compare, reason_of
from PIL import Image, JpegImagePlugin
from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset
from torchvision import transforms as v1

try:
    from torchvision.transforms import v2
except ImportError:  # before torchvision 0.15
    v2 = None


class Files(Dataset):
    """Opens files as scripts do; `how` names one of many ways."""

    def __init__(self, root, how, transform):
        self.paths = sorted(map(str, root.rglob("*.jpg")))[:40]
        self.how, self.transform = how, transform

    def __len__(self):
        return len(self.paths)

    def open(self, path):
        if self.how == "bytes":
            with open(path, "rb") as file:
                return Image.open(io.BytesIO(file.read())).convert("RGB")
        if self.how == "handle":
            with open(path, "rb") as file:
                return Image.open(file).convert("RGB")
        image = Image.open(path)
        if self.how == "draft":
            image.draft("RGB", (20, 20))
        if self.how == "grey":
            return image.convert("L")
        if self.how == "lazy" and image.mode == "RGB":
            return image
        if self.how == "twice":
            image.load()
            image.load()
        return image.convert("RGB")

    def __getitem__(self, k):
        image = self.open(self.paths[k])
        facts = [image.size, image.mode, str(image.format), sorted(image.info)]
        return {"x": self.transform(image), "noise": torch.rand(2), "facts": str(facts)}


TRAIN = [v1.RandomResizedCrop(24), v1.RandomHorizontalFlip(), v1.ToTensor()]


def loader_of(dataset, workers, **options):
    return DataLoader(dataset, batch_size=8, shuffle=True, num_workers=workers, **options)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", ["convert", "bytes", "handle", "draft", "grey", "lazy", "twice"])
def test_ways_to_open(tiny, how, workers):
    compare(
        lambda: loader_of(Files(tiny, how, v1.Compose(list(TRAIN))), workers), tier="B", epochs=1
    )


def pipelines():
    jitter = v1.ColorJitter(0.2, 0.2, 0.2, 0.1)
    yield "unknown", lambda: v1.Compose([TRAIN[0], jitter, v1.ToTensor()])
    five = v1.Lambda(lambda crops: torch.stack([v1.functional.to_tensor(c) for c in crops]))
    yield "five", lambda: v1.Compose([v1.FiveCrop(20), five])
    yield "ten", lambda: v1.Compose([v1.TenCrop(20), five])
    yield (
        "bare",
        lambda: v1.ToTensor() if False else v1.Compose([v1.Resize((9, 8)), v1.PILToTensor()]),
    )
    if v2 is not None:
        scale = v2.ToDtype(torch.float32, scale=True)
        yield "v2", lambda: v2.Compose([v2.RandomResizedCrop(24), v2.ToImage(), scale])
        yield "v2-bytes", lambda: v2.Compose([v2.RandomCrop(30, padding=3), v2.PILToTensor()])


PIPELINES = dict(pipelines())


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("name", PIPELINES)
def test_pipelines(tiny, name, workers):
    compare(
        lambda: loader_of(Files(tiny, "convert", PIPELINES[name]()), workers), tier="B", epochs=1
    )


@pytest.mark.skipif(v2 is None, reason="torchvision: transforms.v2 came with 0.15")
@pytest.mark.parametrize("workers", [0, 2])
def test_tensors_from_files(tiny, workers):
    from torchvision.io import ImageReadMode, decode_image, read_image

    scale = v2.ToDtype(torch.float32, scale=True)

    class Tensors(Files):
        def __getitem__(self, k):
            image = decode_image(self.paths[k], mode=ImageReadMode.RGB)
            plain = read_image(self.paths[k])
            return self.transform(image), image.stride(), plain.sum(), plain.shape[0]

    parts = [v2.RandomResizedCrop(24, antialias=True), scale]
    compare(lambda: loader_of(Tensors(tiny, "", v2.Compose(parts)), workers), tier="B", epochs=1)


def test_the_swaps_are_used_and_removed(tiny, monkeypatch):
    """Each picture is decoded once by the kernels and each composition runs as a plan."""
    decoded, ran = [], []
    stock_decode, stock_run = probe.decode, swap.plan.Plan.run

    def count_decode(*arguments):
        decoded.append(1)
        return stock_decode(*arguments)

    def count_run(self, *arguments):
        ran.append(1)
        return stock_run(self, *arguments)

    loader = dlop.accelerate(loader_of(Files(tiny, "convert", v1.Compose(list(TRAIN))), 0))
    list(loader)
    monkeypatch.setattr(probe, "decode", count_decode)
    monkeypatch.setattr(swap.plan.Plan, "run", count_run)
    list(loader)
    assert len(decoded) == len(ran) == 40
    assert "load" not in vars(JpegImagePlugin.JpegImageFile)
    assert not swap._installed and not hasattr(v1.Compose.__call__, "_dlop_stock")


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("how", ["convert", "lazy"])
def test_damaged_file(middle, tmp_path, how, workers):
    for number, path in enumerate(sorted(middle.rglob("*.jpg"))[:10]):
        data = path.read_bytes()
        (tmp_path / f"{number}.jpg").write_bytes(data[: len(data) // 2] if number == 4 else data)
    transform = v1.Compose([v1.RandomHorizontalFlip(), *TRAIN])
    compare(lambda: loader_of(Files(tmp_path, how, transform), workers), tier="B")


class Subclassed(v1.RandomResizedCrop):
    """Draws once more than its base."""

    def forward(self, image):
        torch.rand(1)
        return super().forward(image)


@pytest.mark.parametrize("workers", [0, 2])
def test_subclass_of_a_transform_is_not_taken_for_it(tiny, workers):
    transform = v1.Compose([Subclassed(24), v1.ToTensor()])
    compare(lambda: loader_of(Files(tiny, "convert", transform), workers), tier="B", epochs=1)


def test_worker_init_fn_of_the_script_still_runs(tiny):
    def init(worker):
        torch.manual_seed(55 + worker)

    compare(
        lambda: loader_of(Files(tiny, "convert", v1.Compose(list(TRAIN))), 2, worker_init_fn=init),
        tier="B",
        epochs=1,
    )
    loader = loader_of(Files(tiny, "convert", None), 2, worker_init_fn=init)
    iter(dlop.accelerate(loader))
    assert loader.worker_init_fn is init


def test_no_images():
    loader = compare(lambda: DataLoader(TensorDataset(torch.arange(20)), batch_size=3), tier="C")
    assert "decodes no files" in reason_of(loader)


def test_iterable_dataset():
    class Numbers(IterableDataset):
        def __iter__(self):
            return iter(range(10))

    loader = compare(lambda: DataLoader(Numbers(), batch_size=3, num_workers=2), tier="C")
    assert "iterable" in reason_of(loader)
