"""The reduced equality matrix, in every version of the stack: batches, random states, training."""

import environments
import pytest
from conftest import FALLBACKS

pytest.importorskip("torch", reason="torch: PyTorch is not installed")
pytest.importorskip("torchvision", reason="torch: torchvision is not installed")
import matrix  # a script that imports both

pytestmark = pytest.mark.full
CASES = [
    (environment.name, case)
    for environment in environments.ENVIRONMENTS
    for case in matrix.cases(environment.cases)
]


def wanted_tier(case, capability):
    """torchvision resizes tensors through floats where torch uses no vectors: not ours."""
    return "B" if case.startswith("v2-tensor") and capability == "DEFAULT" else "A"


@pytest.mark.parametrize("name, case", CASES, ids=["-".join(c) for c in CASES])
def test_equal(runs, name, case):
    made = runs(name)
    if case not in made.plain:
        pytest.skip(f"v2: {name} has no torchvision.transforms.v2")
    plain, attached, loader = made.plain[case], made.attached[case], made.loaders[case]
    tier = wanted_tier(case, made.capability)
    assert loader["tier"] == tier, loader["reason"]
    assert len(attached) == len(plain)
    for number, (ours, theirs) in enumerate(zip(attached, plain)):
        assert ours == theirs, f"event {number}"


@pytest.mark.parametrize("name", list(environments.BY_NAME))
def test_one_line_per_loader(runs, name):
    """Each loader says its tier; files that the kernels do not take are counted and named."""
    made = runs(name)
    lines = [line for line in made.errors.splitlines() if line.startswith("dlop: ")]
    assert len(lines) == len(made.loaders)
    for line, (case, loader) in zip(lines, made.loaders.items()):
        assert f"tier {loader['tier']}" in line, case
        if loader["tier"] == "A" and not case.startswith("tall"):
            names = {entry["file"].rsplit("/", 1)[-1] for entry in loader["fallback_files"]}
            assert names == set(FALLBACKS), case


def pixels(made, case):
    """Digests of a case's batches alone."""
    return [event[1][0][-1] for event in made.attached[case] if event[0] == "list"]


@pytest.mark.parametrize(
    "older, newer, same, other",
    [
        ("torch113", "pillow11", "tall-bicubic-w0", None),
        ("pillow11", "pillow12", "crop-224-w0", "tall-bicubic-w0"),
        ("pillow11", "pillow12", "tall-nearest-w0", "crop-tall-w2"),
        ("pillow12", "pillow13", "tall-nearest-w0", "crop-224-w0"),
    ],
)
def test_pictures_tell_versions_apart(runs, older, newer, same, other):
    """The cases reach what differs between versions; otherwise equality would prove little."""
    before, after = runs(older), runs(newer)
    assert pixels(before, same) == pixels(after, same)
    if other is not None:
        assert pixels(before, other) != pixels(after, other)
