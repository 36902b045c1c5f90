"""Options of the loader that change what is seen besides the pixels."""

import random
import time

import dlop
import numpy
import pytest
import torch
from pair import compare, facts, reason_of, record, seed, tier_of
from torch.utils.data import BatchSampler, DataLoader, RandomSampler, Sampler, get_worker_info
from torchvision import transforms as v1
from torchvision.datasets import CIFAR10, FakeData, ImageFolder

TAIL = [v1.ToTensor(), v1.Normalize((0.5, 0.5, 0.5), (0.2, 0.2, 0.2))]


def folder(root, *parts, **keywords):
    parts = parts or (v1.RandomResizedCrop(32), v1.RandomHorizontalFlip(), *TAIL)
    return ImageFolder(str(root), v1.Compose(list(parts)), **keywords)


# ---- collation -----------------------------------------------------------------------------------


def as_dict(samples):
    return {"x": torch.stack([s[0] for s in samples]), "y": [s[1] for s in samples]}


def with_draws(samples):
    """Draws from all three generators, some of the time, as mixing functions do."""
    images = torch.stack([s[0] for s in samples])
    if torch.rand(1) < 0.7:
        images = images * torch.rand(1) + random.random() + numpy.random.rand()
    info = get_worker_info()
    return images, [s[1] for s in samples], info and (info.id, info.num_workers, info.seed)


class Counting:
    """A collate object with a state of its own: each worker has a copy."""

    def __init__(self):
        self.count = 0

    def __call__(self, samples):
        self.count += 1
        return torch.stack([s[0] for s in samples]), self.count


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("collate", [as_dict, with_draws, Counting, tuple], ids=str)
def test_script_collate(tiny, workers, collate):
    make = collate if isinstance(collate, type) and collate is not tuple else lambda: collate
    compare(
        lambda: DataLoader(
            folder(tiny), batch_size=7, shuffle=True, num_workers=workers, collate_fn=make()
        )
    )


def test_collate_that_draws_with_persistent_workers(tiny):
    compare(
        lambda: DataLoader(
            folder(tiny),
            batch_size=5,
            num_workers=3,
            collate_fn=with_draws,
            persistent_workers=True,
            prefetch_factor=3,
        )
    )


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("tail", ["chw", "hwc"])
def test_without_batches(tiny, workers, tail):
    last = v1.ToTensor() if tail == "chw" else v1.PILToTensor()
    compare(
        lambda: DataLoader(
            folder(tiny, v1.RandomResizedCrop(24), last), batch_size=None, num_workers=workers
        )
    )


def test_collate_sees_the_strides_of_the_transform(tiny):
    compare(
        lambda: DataLoader(
            folder(tiny, v1.RandomResizedCrop(24), v1.PILToTensor()),
            batch_size=4,
            num_workers=2,
            collate_fn=list,
        )
    )


def fails_at_seven(samples):
    if any(s[1] == 7 for s in samples):
        raise KeyError("no class 7 here")
    return torch.stack([s[0] for s in samples])


@pytest.mark.parametrize("workers", [0, 2])
def test_collate_that_raises(tiny, workers):
    compare(
        lambda: DataLoader(
            folder(tiny), batch_size=8, num_workers=workers, collate_fn=fails_at_seven
        )
    )


# ---- targets -------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [lambda y: y % 3, float, {k: k * 2 for k in range(20)}.get, str])
def test_pure_target_transform(tiny, target):
    compare(lambda: DataLoader(folder(tiny, target_transform=target), batch_size=8, num_workers=2))


def noisy_target(target):
    return target + random.random()


def test_target_transform_that_draws_is_tier_b(tiny):
    compare(
        lambda: DataLoader(folder(tiny, target_transform=noisy_target), batch_size=8),
        tier="B",
    )


# ---- samplers ------------------------------------------------------------------------------------


class Logging(Sampler):
    """Remembers each index at the moment at which it is asked for."""

    def __init__(self, n, log):
        self.n, self.log = n, log

    def __len__(self):
        return self.n

    def __iter__(self):
        self.log.append("iter")
        return self.indices()

    def indices(self):
        for k in range(self.n):
            self.log.append(k)
            yield k


@pytest.mark.parametrize("workers,prefetch", [(0, None), (1, 1), (2, 2), (2, 3)])
@pytest.mark.parametrize("batch_size", [2, None])
def test_indices_are_pulled_when_torch_pulls_them(tiny, workers, prefetch, batch_size):
    def events(attach):
        log = []
        loader = DataLoader(
            folder(tiny),
            batch_size=batch_size,
            sampler=Logging(30, log),
            num_workers=workers,
            prefetch_factor=prefetch,
        )
        if attach:
            dlop.accelerate(loader)
        for iterator in (iter(loader), iter(loader)):
            log.append("made")
            for _ in range(5):
                next(iterator)
                log.append("next")
        return log

    assert events(True) == events(False)


class RaisingSampler(Sampler):
    def __len__(self):
        return 20

    def __iter__(self):
        yield from range(10)
        raise OverflowError("sampler")


@pytest.mark.parametrize("workers", [0, 2])
def test_sampler_that_raises(tiny, workers):
    compare(
        lambda: DataLoader(
            folder(tiny), batch_size=2, sampler=RaisingSampler(), num_workers=workers
        ),
        epochs=1,
        stop_after=12,
    )


def test_batch_sampler_of_uneven_batches(tiny):
    class Uneven(Sampler):
        def __iter__(self):
            yield from ([1], [2, 3, 4, 4], (torch.tensor(5), 6), [-1, -80], range(20))

        def __len__(self):
            return 5

    for workers in (0, 2):

        def make(n=workers):
            return DataLoader(folder(tiny), batch_sampler=Uneven(), num_workers=n)

        compare(make)


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("bad", [[1, 800], [2, -81], ["a"], [], [1.5]])
def test_indices_that_the_dataset_refuses(tiny, workers, bad):
    batches = [[1, 2], [3, 4], bad, [5, 6], [7], bad, [8], [9]]
    compare(lambda: DataLoader(folder(tiny), batch_sampler=batches, num_workers=workers))


def test_batch_sampler_object(tiny):
    def make():
        dataset = folder(tiny)
        batches = BatchSampler(RandomSampler(dataset), 6, drop_last=True)
        return DataLoader(dataset, batch_sampler=batches, num_workers=2)

    compare(make)


# ---- worker_init_fn ------------------------------------------------------------------------------


def reseed(worker):
    torch.manual_seed(100 + worker)
    random.seed(200 + worker)
    numpy.random.seed(300 + worker)


def change_dataset(worker):
    get_worker_info().dataset.transform.transforms[0].size = (40, 40)


def allow_truncated(worker):
    from PIL import ImageFile

    ImageFile.LOAD_TRUNCATED_IMAGES = True


def init_raises(worker):
    raise ArithmeticError(f"worker {worker}")


@pytest.mark.parametrize(
    "init,tier",
    [(reseed, "A"), (change_dataset, "B"), (allow_truncated, "B"), (init_raises, "B")],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_worker_init_fn(tiny, init, tier):
    compare(
        lambda: DataLoader(
            folder(tiny),
            batch_size=8,
            shuffle=True,
            num_workers=2,
            worker_init_fn=init,
            collate_fn=with_draws if init is reseed else None,
        ),
        tier=tier,
    )


@pytest.mark.full
@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_worker_init_fn_in_other_contexts(tiny, method):
    compare(
        lambda: DataLoader(
            folder(tiny),
            batch_size=16,
            num_workers=1,
            worker_init_fn=reseed,
            multiprocessing_context=method,
        ),
        epochs=1,
    )


# ---- iterators -----------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 2, 3])
def test_epoch_left_early(tiny, workers):
    compare(
        lambda: DataLoader(
            folder(tiny),
            batch_size=4,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers == 3,
        ),
        epochs=3,
        stop_after=4,
    )


def set_size(loader, epoch):
    loader.dataset.transform.transforms[0].size = (24 + 8 * epoch, 32)


def set_transform(loader, epoch):
    if epoch:
        loader.dataset.transform = v1.Compose([v1.Resize((20, 20)), v1.ToTensor()])


@pytest.mark.parametrize("workers", [0, 2, 3])
@pytest.mark.parametrize("change", [set_size, set_transform])
def test_dataset_changed_between_epochs(tiny, workers, change):
    compare(
        lambda: DataLoader(
            folder(tiny), batch_size=16, num_workers=workers, persistent_workers=workers == 3
        ),
        before_epoch=change,
        epochs=3,
    )


def test_persistent_workers_keep_the_transform_that_raises(tiny):
    """Also where the script's own code makes the batch: it has a copy of the dataset."""

    def make():
        dataset = folder(tiny, v1.RandomCrop(80), v1.ToTensor())
        return DataLoader(dataset, batch_size=4, num_workers=2, persistent_workers=True)

    compare(make, before_epoch=set_transform)


def test_dataset_changed_within_an_epoch(tiny):
    def run(attach):
        seed()
        loader = DataLoader(folder(tiny), batch_size=16, shuffle=True)
        if attach:
            dlop.accelerate(loader)
        seen = []
        for number, batch in enumerate(loader):
            seen.append(facts(batch))
            if number == 1:
                loader.dataset.transform.transforms[0].size = (20, 20)
            if number == 3:
                loader.dataset.transform = v1.Compose(
                    [v1.Resize((20, 20)), v1.ColorJitter(0.3), v1.ToTensor()]
                )
        return seen

    assert run(True) == run(False)


def test_several_iterators_at_once(tiny):
    def run(attach):
        seed()
        loaders = [
            DataLoader(folder(tiny), batch_size=8, shuffle=True, num_workers=w) for w in (0, 2, 1)
        ]
        if attach:
            loaders = [dlop.accelerate(loader) for loader in loaders]
        iterators = [iter(loader) for loader in loaders for _ in range(2)]
        return [facts(next(it)) for _ in range(6) for it in iterators]

    assert run(True) == run(False)


def test_attributes_of_the_iterator(tiny):
    loader = dlop.accelerate(DataLoader(folder(tiny), batch_size=8, num_workers=2))
    iterator = iter(loader)
    assert len(iterator) == len(loader) == (len(loader.dataset) + 7) // 8
    assert iterator._num_yielded == 0
    next(iterator)
    assert iterator._num_yielded == 1
    assert iter(iterator) is iterator
    with pytest.raises(NotImplementedError):
        iterator.__getstate__()
    for _ in iterator:
        pass
    with pytest.raises(StopIteration):
        next(iterator)


def test_timeout(tiny, monkeypatch):
    loader = dlop.accelerate(DataLoader(folder(tiny), batch_size=8, num_workers=1, timeout=2))
    iterator = iter(loader)
    next(iterator)
    from dlop import _lib

    class Slow:
        """The library with a device that is never ready."""

        def __getattr__(self, name):
            return getattr(library, name)

        def dlop_batch_wait(self, *arguments):
            time.sleep(0.05)
            return _lib.AGAIN

    library = _lib.lib()
    with monkeypatch.context() as patch:
        patch.setattr(_lib, "lib", lambda: Slow())
        with pytest.raises(RuntimeError, match=r"^DataLoader timed out after 2 seconds$"):
            next(iterator)
    assert len(list(iterator)) == len(loader) - 1


@pytest.mark.parametrize("options", [{"timeout": 3}, {"num_workers": 1, "prefetch_factor": 0}])
def test_settings_that_torch_refuses(tiny, options):
    def message(attach):
        loader = DataLoader(folder(tiny), **options)
        if attach:
            dlop.accelerate(loader)
        with pytest.raises(Exception) as caught:
            next(iter(loader))
        return type(caught.value), str(caught.value)

    assert message(True) == message(False)


def test_fresh_memory_for_each_batch(tiny):
    for workers in (0, 2):
        loader = dlop.accelerate(DataLoader(folder(tiny), batch_size=8, num_workers=workers))
        kept = list(loader)
        digests = [facts(batch) for batch in kept]
        for batch in loader:
            batch[0].zero_()
        assert [facts(batch) for batch in kept] == digests


def test_pin_memory_without_an_accelerator(tiny):
    if torch.cuda.is_available():
        pytest.skip("no-gpu: this machine has an accelerator")
    with pytest.warns(UserWarning) as caught:
        compare(lambda: DataLoader(folder(tiny), batch_size=8, num_workers=2, pin_memory=True))
    assert any("pin_memory" in str(w.message) for w in caught) or torch.__version__ < "2"


# ---- other datasets ------------------------------------------------------------------------------


@pytest.fixture
def cifar_dataset(cifar):
    def make(*parts, **keywords):
        dataset = CIFAR10.__new__(CIFAR10)
        dataset.root = str(cifar)
        dataset.data = numpy.load(cifar / "train_data.npy")[:200]
        dataset.targets = numpy.load(cifar / "train_labels.npy")[:200].tolist()
        dataset.transform, dataset.target_transform = v1.Compose(list(parts)), None
        for name, value in keywords.items():
            setattr(dataset, name, value)
        return dataset

    return make


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize(
    "parts",
    [
        (),
        (v1.Resize(32),),
        (v1.RandomCrop(32, padding=4), v1.RandomHorizontalFlip()),
        (v1.Resize(40),),
        (v1.Grayscale(3),),
    ],
    ids=["plain", "same-size", "train", "resize", "grey"],
)
def test_cifar(cifar_dataset, workers, parts):
    compare(
        lambda: DataLoader(
            cifar_dataset(*parts, *TAIL), batch_size=32, shuffle=True, num_workers=workers
        )
    )


def test_cifar_changed_data(cifar_dataset):
    def invert(loader, epoch):
        loader.dataset.data = 255 - loader.dataset.data

    compare(lambda: DataLoader(cifar_dataset(*TAIL), batch_size=32), before_epoch=invert)


def mnist_like(cls, cifar, **attributes):
    dataset = cls.__new__(cls)
    dataset.root = str(cifar)
    pixels = numpy.load(cifar / "train_data.npy")[:100, 2:30, 2:30, 1]
    labels = numpy.load(cifar / "train_labels.npy")[:100]
    dataset.data = torch.from_numpy(numpy.ascontiguousarray(pixels))
    dataset.targets = torch.from_numpy(labels.astype(numpy.int64))
    dataset.transform = v1.Compose([v1.RandomCrop(28, padding=2), v1.ToTensor()])
    dataset.target_transform = None
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


@pytest.mark.parametrize("name", ["MNIST", "FashionMNIST", "KMNIST", "EMNIST"])
def test_mnist_family(cifar, name):
    import torchvision.datasets

    cls = getattr(torchvision.datasets, name)
    compare(lambda: DataLoader(mnist_like(cls, cifar), batch_size=16, shuffle=True, num_workers=2))
    for parts in ([], [v1.Grayscale(3)]):  # pixels as they are; grey of grey is the same
        plain = v1.Compose([*parts, v1.ToTensor(), v1.Normalize((0.13,), (0.31,))])
        compare(lambda: DataLoader(mnist_like(cls, cifar, transform=plain), 16))  # noqa: B023


@pytest.mark.parametrize("compat", [True, False])
def test_qmnist(cifar, compat):
    from torchvision.datasets import QMNIST

    def make():
        dataset = mnist_like(QMNIST, cifar, compat=compat)
        dataset.targets = torch.stack([dataset.targets + k for k in range(8)], 1)
        return DataLoader(dataset, batch_size=16, shuffle=True, num_workers=1)

    compare(make)


def test_fake_data_is_left_alone():
    loader = compare(
        lambda: DataLoader(FakeData(20, (3, 40, 40), transform=v1.ToTensor()), batch_size=4),
        tier="C",
    )
    assert "FakeData" in reason_of(loader)


def test_accelerate_twice_and_of_something_else(tiny):
    loader = DataLoader(folder(tiny), batch_size=8)
    assert dlop.accelerate(dlop.accelerate(loader)) is loader
    record(loader, epochs=1)
    assert tier_of(loader) == "A"
    with pytest.raises(TypeError):
        dlop.accelerate([1, 2])
