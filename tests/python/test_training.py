"""Training runs: losses and weights, bit for bit."""

import hashlib

import dlop
import pytest
import torch
from pair import seed, tier_of
from torch.utils.data import DataLoader
from torchvision import transforms as v1
from torchvision.datasets import ImageFolder

try:
    from torchvision.transforms import v2
except ImportError:  # before torchvision 0.15
    v2 = None

N_STEPS = 20


def network():
    """Small, with draws of its own on the CPU generator: initial weights and dropout."""
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3, stride=2),
        torch.nn.BatchNorm2d(8),
        torch.nn.ReLU(),
        torch.nn.Conv2d(8, 16, 3, stride=2),
        torch.nn.ReLU(),
        torch.nn.AdaptiveAvgPool2d(1),
        torch.nn.Flatten(),
        torch.nn.Dropout(0.3),
        torch.nn.Linear(16, 11),
    )


def transform(family):
    if family == "v1":
        return v1.Compose([v1.RandomResizedCrop(40), v1.RandomHorizontalFlip(), v1.ToTensor()])
    parts = [v2.ToImage(), v2.RandomResizedCrop(40), v2.RandomHorizontalFlip()]
    return v2.Compose([*parts, v2.ToDtype(torch.float32, scale=True)])


def train(root, family, workers, attach):
    """Losses and weights after N_STEPS, as bits."""
    seed(11)
    torch.set_num_threads(1)
    loader = DataLoader(
        ImageFolder(str(root), transform(family)),
        batch_size=8,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        persistent_workers=workers == 3,
    )
    if attach:
        dlop.accelerate(loader)
    model = network()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)
    losses, step = [], 0
    while step < N_STEPS:
        for images, targets in loader:
            loss = torch.nn.functional.cross_entropy(model(images), targets)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item().hex())
            step += 1
            if step == N_STEPS:
                break
    if attach:
        assert tier_of(loader) == "A"
    weights = hashlib.sha256()
    for name, value in model.state_dict().items():
        weights.update(name.encode() + value.contiguous().numpy().tobytes())
    return losses, weights.hexdigest()


@pytest.mark.parametrize("workers", [0, 1, 2, 3])
@pytest.mark.parametrize("family", ["v1", "v2"])
def test_losses_and_weights(tiny, family, workers):
    if family == "v2" and v2 is None:
        pytest.skip("torchvision: transforms.v2 came with 0.15")
    wanted = train(tiny, family, workers, attach=False)
    assert len(wanted[0]) == N_STEPS and len(set(wanted[0])) > N_STEPS // 2
    assert train(tiny, family, workers, attach=True) == wanted
