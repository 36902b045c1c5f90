"""What is recognised, and that everything else is named and left alone."""

import collections

import pytest
import torch
from dlop import _lib, datasets, stock, transforms
from torch.utils.data import ConcatDataset, Dataset, Subset
from torchvision import transforms as v1
from torchvision.datasets import DatasetFolder, ImageFolder
from torchvision.datasets.folder import default_loader, pil_loader

try:
    from torchvision.transforms import v2
except ImportError:  # before torchvision 0.15
    v2 = None

needs_v2 = pytest.mark.skipif(v2 is None, reason="torchvision: transforms.v2 came with 0.15")
TAIL = [v1.ToTensor()]


def ops(transform, mode="RGB"):
    recipe = transforms.recognise(transform, mode)
    return [(op.kind, op.i, op.f) for op in recipe.ops]


def test_operations():
    parts = [v1.RandomResizedCrop((20, 30), (0.1, 0.9), (0.5, 2.0)), v1.RandomVerticalFlip(0.25)]
    logs = torch.log(torch.tensor((0.5, 2.0))).tolist()
    assert ops(v1.Compose(parts + TAIL)) == [
        (_lib.OP_RESIZED_CROP, (20, 30, 2), (0.1, 0.9, 0.5, 2.0, *logs)),
        (_lib.OP_FLIP_Y, (), (0.25,)),
    ]
    crop = v1.RandomCrop(9, padding=(1, 2), pad_if_needed=True, fill=(3, 4, 5))
    assert ops(v1.Compose([crop, *TAIL])) == [
        (_lib.OP_RANDOM_CROP, (9, 9, 1, 2, 1, 2, 1, 0, 0, 3, 4, 5), ())
    ]
    resize = v1.Resize([7], interpolation=v1.InterpolationMode.LANCZOS, max_size=11)
    nested = v1.Compose([v1.Compose([resize]), torch.nn.Sequential(v1.CenterCrop(5)), *TAIL])
    assert ops(nested) == [
        (_lib.OP_RESIZE_SHORT, (7, 11, 1), ()),
        (_lib.OP_CENTER_CROP, (5, 5), ()),
    ]
    assert ops(v1.ToTensor()) == []


@needs_v2
def test_operations_of_v2():
    crop = v2.RandomCrop(9, padding=[1, 2, 3, 4], fill=6, padding_mode="edge")
    assert ops(v2.Compose([crop, v2.ToImage()])) == [
        (_lib.OP_RANDOM_CROP, (9, 9, 1, 2, 3, 4, 0, 1, 1, 6, 6, 6), ())
    ]
    recipe = transforms.recognise(
        v2.Compose([v2.ToImage(), v2.Resize((4, 5), antialias=True), v2.ToPureTensor()]), "RGB"
    )
    assert recipe.resampler == _lib.RESAMPLER_TENSOR and recipe.wrap is None
    assert recipe.table == bytes(range(256)) * 3


def test_table_is_what_the_tail_makes_of_each_value():
    tail = [v1.ToTensor(), v1.Normalize((0.1, 0.2, 0.3), (0.4, 0.5, 0.6))]
    recipe = transforms.recognise(v1.Compose(tail), "RGB")
    values = torch.arange(256, dtype=torch.float32).div(255)
    wanted = torch.stack([values.sub(m).div(s) for m, s in ((0.1, 0.4), (0.2, 0.5), (0.3, 0.6))])
    made = torch.frombuffer(bytearray(recipe.table), dtype=torch.float32).view(3, 256)
    assert torch.equal(made, wanted) and recipe.dtype is torch.float32


def test_recognising_draws_nothing():
    before = torch.get_rng_state()
    transforms.recognise(v1.Compose([v1.RandomResizedCrop(9), *TAIL]), "RGB")
    assert torch.equal(before, torch.get_rng_state())


class Neighbours(v1.Normalize):
    def forward(self, tensor):
        return tensor.roll(1, -1)


REFUSED = {
    "no transform": None,
    "FiveCrop": v1.Compose([v1.FiveCrop(5), *TAIL]),
    "ColorJitter": v1.Compose([v1.ColorJitter(0.1), *TAIL]),
    "Neighbours": v1.Compose([*TAIL, Neighbours((0,), (1,))]),
    "Normalize raises": v1.Compose([v1.PILToTensor(), v1.Normalize((0,) * 3, (1,) * 3)]),
    "does not give a tensor": v1.Compose([v1.Resize(5)]),
    "Lambda": v1.Compose([v1.Lambda(lambda image: image), *TAIL]),
    "resize of float tensors": v1.Compose([*TAIL, v1.Resize(5)]),
    "padding of tensors": v1.Compose([*TAIL, v1.RandomCrop(5, padding=1)]),
    "fill": v1.Compose([v1.Pad(1, fill=(1, 2)), *TAIL]),
    "padding (-1": v1.Compose([v1.Pad((-1, 2)), *TAIL]),
    "RandomApply": v1.Compose([v1.RandomApply([v1.Grayscale(3)]), *TAIL]),
    "antialias=False": v1.Compose([v1.Resize(5, antialias=False), *TAIL]),
}


@pytest.mark.parametrize("reason", REFUSED)
def test_refused(reason):
    with pytest.raises(transforms.Unmapped) as caught:
        transforms.recognise(REFUSED[reason], "RGB")
    assert reason in str(caught.value)


def overridden():
    part = v1.CenterCrop(5)
    part.forward = lambda image: image
    return part


def hooked():
    part = v1.CenterCrop(5)
    part.register_forward_hook(lambda *_: None)
    return part


@pytest.mark.parametrize("part,reason", [(overridden, "overridden"), (hooked, "hook")])
def test_changed_objects(part, reason):
    with pytest.raises(stock.Modified, match=reason):
        transforms.recognise(v1.Compose([part(), *TAIL]), "RGB")


def test_changed_class_and_function(monkeypatch):
    import torchvision.transforms.functional as functional

    pipeline = v1.Compose([v1.CenterCrop(5), *TAIL])
    with monkeypatch.context() as patch:
        patch.setattr(v1.CenterCrop, "forward", lambda self, image: image)
        with pytest.raises(stock.Modified, match=r"CenterCrop\.forward was replaced"):
            transforms.recognise(pipeline, "RGB")
    with monkeypatch.context() as patch:
        patch.setattr(functional, "center_crop", lambda image, size: image)
        with pytest.raises(stock.Modified, match="center_crop was replaced"):
            transforms.cached(pipeline, "RGB")
    transforms.cached(pipeline, "RGB")
    with monkeypatch.context() as patch:
        patch.setattr(functional, "center_crop", lambda image, size: image)
        with pytest.raises(stock.Modified):
            transforms.cached(pipeline, "RGB")
    transforms.cached(pipeline, "RGB")


def test_another_default_dtype():
    torch.set_default_dtype(torch.float64)
    try:
        with pytest.raises(transforms.Unmapped, match="default dtype"):
            transforms.recognise(v1.ToTensor(), "RGB")
    finally:
        torch.set_default_dtype(torch.float32)


# ---- datasets ------------------------------------------------------------------------------------


def folder(root, **options):
    return ImageFolder(str(root), v1.ToTensor(), **options)


def test_numbers_of_records(tiny):
    dataset = folder(tiny)
    n = len(dataset)
    both = ConcatDataset([Subset(dataset, [5, -1, 7]), dataset])
    records = datasets.recognise(both)
    assert records.n == 2 * n
    assert [records.resolve(k) for k in (0, 1, 3, -1, torch.tensor(4))] == [
        5,
        n - 1,
        n,
        2 * n - 1,
        n + 1,
    ]
    assert records.target(n) == dataset.samples[0][1]
    assert records.path(n - 1) == dataset.samples[-1][0]
    for bad in (n + 3, -n - 4, 1.5, "a", None, True):
        with pytest.raises((IndexError, TypeError, ValueError)):
            records.resolve(bad)


@pytest.mark.parametrize("is_subset", [False, True])
def test_numbers_of_a_batch(tiny, is_subset):
    """The short way and the one index after the other give the same, wrong indices included."""
    whole = folder(tiny)
    dataset = Subset(whole, [7, 3, 5, 0]) if is_subset else whole
    records = datasets.recognise(dataset)
    n = len(dataset)
    for indices in ([], [0], [n - 1, 0, 2], [1, -1], [1, torch.tensor(2)], [n - 1, -n], (3, 2)):
        made = records.resolve_all(indices)
        assert type(made) is list and made == [records.resolve(index) for index in indices]
        assert records.targets(made) == [dataset[int(index)][1] for index in indices]
    for bad in ([0, n], [0, -n - 1], [True], [1.5], ["a"], [0, None]):
        with pytest.raises((IndexError, TypeError, ValueError)):
            records.resolve_all(bad)
    kept = [2, 1]
    assert records.resolve_all(kept) is not kept


class Derived(ImageFolder):
    pass


def changed(root):
    dataset = folder(root)
    dataset.samples = tuple(dataset.samples)
    return dataset


NOT_RECOGNISED = {
    "dataset": lambda root: Derived(str(root)),
    "loader": lambda root: folder(root, loader=lambda path: None),
    "samples of type tuple": changed,
    "target_transform": lambda root: folder(root, target_transform=lambda y: torch.rand(1)),
    "Subset with indices": lambda root: Subset(folder(root), collections.deque([1])),
    "different kinds": lambda root: ConcatDataset(
        [folder(root), folder(root, loader=partial_reader())]
    ),
}


def partial_reader():
    import functools

    from torchvision.io import ImageReadMode, read_image

    return functools.partial(read_image, mode=ImageReadMode.RGB)


@pytest.mark.parametrize("reason", NOT_RECOGNISED)
def test_datasets_that_are_not_recognised(tiny, reason):
    with pytest.raises(transforms.Unmapped) as caught:
        datasets.recognise(NOT_RECOGNISED[reason](tiny))
    assert reason in str(caught.value)


def test_loaders(tiny):
    assert datasets.recognise(folder(tiny, loader=pil_loader)).bases[0].mode == "RGB"
    plain = DatasetFolder(str(tiny), default_loader, extensions=(".jpg",))
    assert datasets.recognise(plain).bases[0].mode == "RGB"
    assert datasets.recognise(folder(tiny, loader=partial_reader())).bases[0].mode == "tensor"


def test_samples_changed_in_place(tiny):
    dataset = folder(tiny)
    first = datasets.recognise(dataset).bases[0]
    assert datasets.recognise(dataset).bases[0] is first
    dataset.samples[3] = (dataset.samples[3][0], 99)
    second = datasets.recognise(dataset).bases[0]
    assert second is not first and second.targets[3] == 99


MAP = {0: 1}
PURE = [int, abs, lambda y: y * 2 + 1, lambda y: MAP.get, {1: 2}.get, [4, 5].__getitem__]
IMPURE = [
    print,
    torch.tensor,
    lambda y: torch.rand(1),
    lambda y: [z for z in (y,)] and (lambda: y)(),
    iter([1]).__next__,
    Dataset(),
]


@pytest.mark.parametrize("function", PURE[:3] + PURE[4:])
def test_pure(function):
    assert datasets.is_pure(function)


@pytest.mark.parametrize("function", IMPURE)
def test_not_known_to_be_pure(function):
    assert not datasets.is_pure(function)


def test_a_plain_dataset_has_no_records():
    class Own(Dataset):
        pass

    with pytest.raises(transforms.Unmapped, match="dataset .*Own"):
        datasets.recognise(Own())
