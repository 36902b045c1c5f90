"""Train an image classifier: a plain PyTorch script, as anybody would write it.

Reads DATA/train (one folder per class), prints the loss of each epoch, and a digest of all losses
and of the final weights, so that two runs can be compared bit for bit.
"""

import argparse
import hashlib
import json
import time

import torch
from torch import nn
from torch.utils.data import DataLoader
from torchvision import models, transforms
from torchvision.datasets import ImageFolder


def small_network(n_classes: int) -> nn.Module:
    """A few milliseconds per batch: the input pipeline is what such a job waits for."""
    return nn.Sequential(
        nn.Conv2d(3, 8, 7, stride=8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, n_classes),
    )


NETWORKS = {
    "small": small_network,
    "resnet18": lambda n_classes: models.resnet18(num_classes=n_classes),
}


def make_loader(options: argparse.Namespace) -> tuple[DataLoader, int]:
    """The loader of the framework's own image classification examples; number of classes."""
    transform = transforms.Compose(
        [
            transforms.RandomResizedCrop(224),
            transforms.RandomHorizontalFlip(),
            transforms.ToTensor(),
            transforms.Normalize(mean=[0.485, 0.456, 0.406], std=[0.229, 0.224, 0.225]),
        ]
    )
    dataset = ImageFolder(options.data + "/train", transform)
    n_classes = len(dataset.classes)
    if options.limit:
        dataset = torch.utils.data.Subset(dataset, range(min(options.limit, len(dataset))))
    loader = DataLoader(
        dataset,
        batch_size=options.batch,
        shuffle=True,
        num_workers=options.workers,
        persistent_workers=options.workers > 0,
    )
    return loader, n_classes


def train_epoch(
    model: nn.Module, loader: DataLoader, optimizer: torch.optim.Optimizer
) -> list[float]:
    """One pass over the data; the losses of its batches."""
    losses = []
    criterion = nn.CrossEntropyLoss()
    for images, labels in loader:
        optimizer.zero_grad()
        loss = criterion(model(images), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def digest_of(values: bytes) -> str:
    return hashlib.sha256(values).hexdigest()[:16]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True)
    parser.add_argument("--network", choices=sorted(NETWORKS), default="small")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--limit", type=int, default=0)
    parser.add_argument("--loader-only", action="store_true", help="read the batches, no training")
    options = parser.parse_args()

    torch.manual_seed(0)
    loader, n_classes = make_loader(options)
    model = NETWORKS[options.network](n_classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
    losses, seconds = [], []
    for epoch in range(options.epochs):
        start = time.perf_counter()
        if options.loader_only:
            losses += [float(images.sum()) for images, _ in loader]
        else:
            losses += train_epoch(model, loader, optimizer)
        seconds.append(time.perf_counter() - start)
        print(f"epoch {epoch}: loss {losses[-1]:.6f}, {seconds[-1]:.2f} s", flush=True)

    weights = b"".join(p.detach().numpy().tobytes() for p in model.state_dict().values())
    result = {
        "images": len(loader.dataset),
        "seconds": seconds,
        "losses": digest_of(torch.tensor(losses, dtype=torch.float64).numpy().tobytes()),
        "weights": digest_of(weights),
    }
    print("RESULT " + json.dumps(result), flush=True)


if __name__ == "__main__":
    main()
