"""Files that are not plain baseline JPEG: right pixels through the fallback, right errors."""

import os
import pathlib
import shutil

import dlop
import pytest
import torch
from dlop import report
from pair import compare, seed, tier_of
from PIL import Image
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder

PARTS = [v1.RandomResizedCrop(32), v1.RandomHorizontalFlip(), v1.ToTensor()]


def make_loader(root, workers, **options):
    dataset = ImageFolder(str(root), v1.Compose(list(PARTS)))
    return DataLoader(dataset, batch_size=4, shuffle=True, num_workers=workers, **options)


def some_photos(folder, count):
    return sorted(folder.rglob("*.jpg"))[:count]


@pytest.fixture
def mixed(middle, tmp_path):
    """Photographs in every format that the stock loader opens."""
    (tmp_path / "c").mkdir()
    photos = [Image.open(path).convert("RGB") for path in some_photos(middle, 14)]
    photos = [photo.resize((photo.width // 3, photo.height // 3)) for photo in photos]
    names = ["png", "webp", "bmp", "tiff", "ppm"]
    for number, (photo, suffix) in enumerate(zip(photos, names)):
        photo.save(tmp_path / "c" / f"{number}.{suffix}")
    photos[5].convert("CMYK").save(tmp_path / "c" / "cmyk.jpg")
    photos[6].save(tmp_path / "c" / "progressive.jpg", progressive=True)
    photos[7].convert("L").save(tmp_path / "c" / "grey.jpg")
    photos[8].quantize(64).save(tmp_path / "c" / "gif named.jpg", format="GIF")
    photos[9].quantize(64).save(tmp_path / "c" / "palette.png")
    photos[10].save(tmp_path / "c" / "restart.jpg", restart_marker_blocks=3)
    photos[11].save(tmp_path / "c" / "plain.jpg", quality=95, subsampling=0)
    alpha = photos[12].copy()
    alpha.putalpha(photos[12].convert("L"))
    alpha.save(tmp_path / "c" / "alpha.png")
    photos[13].convert("1").save(tmp_path / "c" / "bits.png")
    return tmp_path


@pytest.mark.parametrize("workers", [0, 2])
def test_formats(mixed, workers):
    loader = compare(lambda: make_loader(mixed, workers))
    entry = report.of(loader, "", None)
    files = {pathlib.Path(item["file"]).name for item in entry.fallback_files}
    wanted = {path.name for path in mixed.rglob("*.*") if path.is_file()}
    assert files == wanted - {"grey.jpg", "restart.jpg", "plain.jpg"}
    assert sum(entry.fallbacks.values()) == 2 * len(files)
    assert all(item["reason"] for item in entry.fallback_files)


def damage(data, kind):
    middle = len(data) // 2
    if kind == "flipped":
        return (
            data[:middle] + bytes(v ^ 0x15 for v in data[middle : middle + 6]) + data[middle + 6 :]
        )
    if kind == "absurd":
        at = data.index(b"\xff\xc0")
        return data[: at + 5] + b"\xff\xf0\xff\xf0" + data[at + 9 :]
    cuts = {
        "empty": 0,
        "one": 1,
        "header": 30,
        "tables": 400,
        "scan": middle,
        "last": len(data) - 2,
    }
    return b"text, no picture" * 9 if kind == "text" else data[: cuts[kind]]


KINDS = ["empty", "one", "header", "tables", "scan", "last", "flipped", "text", "absurd"]


@pytest.fixture
def folder_with(middle, tmp_path):
    """Makes a folder of twelve photographs with one that is bad in a certain way."""

    def make(kind):
        (tmp_path / "c").mkdir()
        for number, path in enumerate(some_photos(middle, 12)):
            shutil.copy(path, tmp_path / "c" / f"{number:02}.jpg")
        bad = tmp_path / "c" / "05.jpg"
        if kind in KINDS:
            bad.write_bytes(damage(bad.read_bytes(), kind))
        return tmp_path, bad

    return make


def spoil(bad, kind):
    if kind == "missing":
        bad.unlink()
    elif kind == "directory":
        bad.unlink()
        bad.mkdir()
    elif kind == "unreadable":
        bad.unlink()
        os.symlink("/proc/self/mem", bad)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", [*KINDS, "missing", "directory", "unreadable"])
def test_bad_file(folder_with, kind, workers):
    """The same exception or pixels, and an iterator that goes on in the same random state."""
    root, bad = folder_with(kind)

    def set_bad(loader, epoch):
        if kind not in KINDS and bad.is_file():
            spoil(bad, kind)

    def make():
        if not bad.is_file():
            shutil.rmtree(bad, ignore_errors=True)
            bad.unlink(missing_ok=True)
            shutil.copy(root / "c" / "04.jpg", bad)
        return make_loader(root, workers)

    loader = compare(make, before_epoch=set_bad, epochs=2)
    entry = report.of(loader, "", None)
    if kind not in ("flipped", "last"):
        assert [item["file"] for item in entry.errors] == [str(bad)] * 2
        assert all(item["action"] == "raise" for item in entry.errors)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("policy", ["skip", "replace"])
def test_error_policy(folder_with, monkeypatch, policy, workers):
    root, bad = folder_with("scan")
    monkeypatch.setenv("DLOP_ON_ERROR", policy)
    seed()
    loader = dlop.accelerate(make_loader(root, workers))
    sizes = [len(images) for images, targets in loader if len(images) == len(targets)]
    assert tier_of(loader) == "A"
    assert sum(sizes) == (11 if policy == "skip" else 12) and len(sizes) == 3
    entry = report.of(loader, "", None)
    assert [item["file"] for item in entry.errors] == [str(bad)]
    assert entry.errors[0]["action"] == policy
    assert "truncated" in entry.errors[0]["error"]


@pytest.mark.parametrize("workers", [0, 2])
def test_skipping_leaves_other_pictures_alone(folder_with, monkeypatch, workers):
    """A record that is left out draws nothing, as if the sampler had not named it."""
    root, bad = folder_with("scan")

    def run(indices, policy):
        monkeypatch.setenv("DLOP_ON_ERROR", policy)
        seed()
        dataset = ImageFolder(str(root), v1.Compose(list(PARTS)))
        loader = DataLoader(dataset, batch_sampler=[indices, [0, 1]], num_workers=workers)
        return [batch[0] for batch in (dlop.accelerate(loader) if policy == "skip" else loader)]

    made, wanted = run([3, 5, 6], "skip"), run([3, 6], "raise")
    assert all(torch.equal(a, b) for a, b in zip(made, wanted))


def test_all_of_a_batch_is_bad(folder_with, monkeypatch):
    root, bad = folder_with("scan")
    monkeypatch.setenv("DLOP_ON_ERROR", "replace")
    dataset = ImageFolder(str(root), v1.Compose(list(PARTS)))
    for workers in (0, 2):
        loader = DataLoader(dataset, batch_sampler=[[1], [5], [2, 3]], num_workers=workers)
        assert [len(batch[0]) for batch in dlop.accelerate(loader)] == [1, 2]


@pytest.mark.parametrize("workers", [0, 2])
def test_crop_larger_than_some_pictures(tiny, workers):
    """The transform itself raises, after draws of its own and of others."""

    def make():
        parts = [v1.RandomHorizontalFlip(), v1.RandomCrop(80), v1.ToTensor()]
        dataset = ImageFolder(str(tiny), v1.Compose(parts))
        return DataLoader(dataset, batch_size=3, shuffle=True, num_workers=workers)

    compare(make)


def test_file_that_changes_between_epochs(folder_with, middle):
    root, bad = folder_with("plain")
    other = some_photos(middle, 30)[-1]

    def change(loader, epoch):
        shutil.copy(other if epoch else root / "c" / "04.jpg", bad)

    compare(lambda: make_loader(root, 2, persistent_workers=True), before_epoch=change)


def test_limit_of_pixels(folder_with, monkeypatch):
    """Pillow's own limit makes an error of a picture that the kernels could decode."""
    root, _ = folder_with("plain")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5000)
    compare(lambda: make_loader(root, 0), epochs=1)


def test_truncated_images_allowed(folder_with, monkeypatch):
    from PIL import ImageFile

    root, _ = folder_with("scan")
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)
    compare(lambda: make_loader(root, 2))


def test_names_that_are_not_text(folder_with):
    root, bad = folder_with("plain")
    os.rename(os.fsencode(bad), os.fsencode(bad.parent) + b"/\xff\xfe name.jpg")
    compare(lambda: make_loader(root, 2), epochs=1)


def test_relative_paths_and_a_change_of_folder(folder_with, monkeypatch):
    root, _ = folder_with("plain")
    monkeypatch.chdir(root.parent)

    def away(loader, epoch):
        monkeypatch.chdir(root.parent)

    compare(lambda: make_loader(root.name, 2), before_epoch=away)


def test_pixels_of_samplings(middle, tmp_path):
    """4:4:4, 4:2:2, 4:2:0 and grey at odd sizes, encoded by Pillow, through the whole chain."""
    (tmp_path / "c").mkdir()
    photo = Image.open(some_photos(middle, 1)[0]).convert("RGB")
    for number in range(24):
        size = (33 + 7 * number, 90 - 3 * number)
        one = photo.resize(size)
        if number % 4 == 3:
            one = one.convert("L")
        one.save(tmp_path / "c" / f"{number}.jpg", quality=60 + number, subsampling=number % 3)
    loader = compare(lambda: make_loader(tmp_path, 2))
    assert not report.of(loader, "", None).fallbacks
