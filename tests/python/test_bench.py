"""The measurement of both loaders: its result's form, not its figures."""

import argparse
import json
import sys
import time

import pytest
import script
from conftest import PACKAGE
from dlop import bench_library, bench_loader, bench_pipelines
from torchvision import transforms

FIGURES = {"images_per_s", "cpu_s_per_1000", "first_batch_s", "rss_peak_bytes"}


def run(*arguments):
    command = [sys.executable, "-m", "dlop.bench_loader", *map(str, arguments)]
    return script.run(command, attach=False, cwd=PACKAGE)


@pytest.mark.parametrize(
    "pipeline", ["v1", pytest.param("v2", marks=pytest.mark.full), "v2-tensor", "evaluation"]
)
def test_result(tiny, pipeline):
    if pipeline.startswith("v2"):
        pytest.importorskip("torchvision.transforms.v2", reason="torchvision: v2 came with 0.15")
    child = run(
        *("--data", tiny, "--limit", 24, "--rounds", 1),
        *("--pipeline", pipeline, "--json", "-"),
        *("--seconds", 0),
    )
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert result["schema"] == "dlop.bench.loader/1" and result["equal"] is True
    assert result["data"]["images"] == 24 and result["cores"] == 1
    assert [one["name"] for one in result["contestants"]] == ["torch", "dlop"]
    for one in result["contestants"]:
        assert one["cache"] == "off" and all(one[figure] > 0 for figure in FIGURES)
    assert result["ratio"]["wall"] > 0 and result["ratio"]["cpu"] > 0


@pytest.mark.full
def test_pictures_in_memory(cifar):
    arguments = ("--data", cifar, "--pipeline", "cifar", "--limit", 300, "--batch-size", 64)
    child = run(*arguments, "--rounds", 1, "--seconds", 0, "--json", "-")
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    assert result["equal"] is True and result["data"] == {"images": 300, "mean_bytes": 3072}


def test_variants_are_dlop_with_one_option_changed(tiny):
    child = run(
        *("--data", tiny, "--limit", 16, "--rounds", 1, "--seconds", 0, "--json", "-"),
        *("--variant", "pipeline=u8-nhwc", "--variant", "batch-size=3"),
        *("--variant", "output=u8-nhwc"),
    )
    assert child.returncode == 0, child.stderr
    result = json.loads(child.stdout)
    rows = {one["name"]: one for one in result["contestants"]}
    variants = ("pipeline=u8-nhwc", "batch-size=3", "output=u8-nhwc")
    assert list(rows) == ["torch", "dlop", *(f"dlop {name}" for name in variants)]
    row = rows["dlop batch-size=3"]
    assert row["dlop_over"]["wall"] == result["ratio"]["wall"] / row["ratio"]["wall"]


def test_an_epoch_has_the_data_several_times(tiny):
    arguments = ["--data", str(tiny), "--limit", "7", "--repeat", "3"]
    dataset = bench_pipelines.open_dataset(bench_loader._options(arguments))
    samples = bench_pipelines.samples_of(dataset)
    assert len(dataset) == 21 and samples[:7] == samples[7:14] == samples[14:]
    assert len(set(samples)) == 7


def test_a_variant_runs_with_its_option(tmp_path):
    options = bench_loader._options(
        ["--data", str(tmp_path), "--variant", "batch-size=3", "--variant", "device=sim"]
    )
    own = bench_loader._own(options)
    assert [(one.batch_size, one.device) for one in own.values()] == [
        *((32, None), (3, None), (32, "sim"))
    ]


@pytest.mark.parametrize(
    "arguments",
    [
        *((), ("--data", ".", "--cores", "999"), ("--rounds", "0")),
        ("--data", ".", "--variant", "cores=999"),
        ("--data", ".", "--variant", "colour=red"),
        ("--data", ".", "--variant", "pipeline=v3"),
        ("--data", ".", "--variant", "output=u4"),
        ("--data", ".", "--variant", "pipeline=cifar"),
        ("--data", ".", "--pipeline", "evaluation", "--peers", "dali"),
        ("--data", ".", "--seconds", "-1"),
    ],
)
def test_wrong_usage(arguments):
    child = run(*arguments)
    assert child.returncode == 2 and child.stdout == "" and child.stderr


def test_no_pictures(tmp_path):
    child = run("--data", tmp_path)
    assert child.returncode == 1 and "dlop bench:" in child.stderr


def test_outputs_are_one_picture_in_other_forms(tiny):
    import torch

    transform = bench_pipelines.PIPELINES["v1"].make()
    paths = sorted(map(str, tiny.rglob("*.jpg")))[:20]
    made = {}
    for output in bench_library.OUTPUTS:
        torch.manual_seed(4)
        batches = bench_library.Batches(paths, transform, output, 8)
        epoch = [batch.clone() for batch in batches()]
        assert [len(batch) for batch in epoch] == [8, 8, 4]
        next(batches())  # and the rest is dropped
        assert sum(len(batch) for batch in batches()) == 20
        made[output] = torch.cat(epoch)
    small, floats = made["u8-nchw"], made["f32-nchw"]
    assert small.dtype == torch.uint8 and small.shape == (20, 3, 224, 224)
    assert torch.equal(made["u8-nhwc"].permute(0, 3, 1, 2), small)
    assert torch.equal(made["f32-nhwc"].permute(0, 3, 1, 2), floats)
    wanted = transforms.Normalize((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))(small / 255)
    assert torch.equal(wanted, floats)


def test_epochs_are_repeated_until_the_time_is_over():
    import torch

    starts = []

    def epoch():
        starts.append(time.perf_counter())
        for _ in range(2):
            time.sleep(0.02)
            yield torch.zeros(5, 3)

    options = argparse.Namespace(cores=1, seconds=0.3, batch_size=5)
    taken = bench_loader.measure(epoch, options)
    assert 2 <= taken["epochs"] <= 8 and len(starts) == taken["epochs"] + 2  # warm-up, memory
    assert 50 < taken["images_per_s"] <= 250 and 0.02 <= taken["first_batch_s"] < 0.3
    options.seconds = 0
    assert bench_loader.measure(epoch, options)["epochs"] == 1
