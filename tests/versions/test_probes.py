"""What the probes find in every version, and that a probe which fits nothing lowers the tier."""

import json

import environments
import pytest
from conftest import pillow_folder
from environments import PACKAGE

pytestmark = pytest.mark.full
EXP_MKL, EXP_POLY_FMA, EXP_LIBM = range(3)
ALWAYS_X, TALL_100, SHRINK = range(3)
PASS_RULES = {"9": ALWAYS_X, "11": ALWAYS_X, "12": TALL_100, "13": SHRINK}
RANDINT_LOG2 = {"1.13": 32, "2.15": 28}


def wanted_exp(torch, capability):
    """PyPI's 2.15 asks MKL; Debian's 1.13 Sleef where there are vectors, else the C library."""
    if torch == "2.15":
        return EXP_MKL
    return EXP_LIBM if capability == "DEFAULT" else EXP_POLY_FMA


@pytest.mark.parametrize("name", list(environments.BY_NAME))
def test_probes_find_the_rules(found, tmp_path, name):
    environment, versions = found(name)
    torch = ".".join(versions["torch"].split(".")[:2])
    if torch not in RANDINT_LOG2:
        pytest.skip(f"torch215: nothing is known of torch {torch} beforehand")
    out = tmp_path / "probes.json"
    script = environments.HERE / "probes.py"
    environments.run(environment, [script, out], attach=False, folders=[PACKAGE])
    made = json.loads(out.read_text())
    capability = made["capability"]
    if environment.capability:
        assert capability == environment.capability.upper()
    assert made["uniform_is_fused"] == int(capability != "DEFAULT")
    assert made["randint_wide_log2"] == RANDINT_LOG2[torch]
    assert made["exp_kind"] == wanted_exp(torch, capability)
    assert made["pass_rule"] == PASS_RULES[versions["pillow"].split(".")[0]]
    assert (made["differing_draws"], made["differing_exps"]) == (0, 0)
    assert made["differing_resizes"] == []
    assert set(made["orders"]) <= {"x", "y"}, "a case of the probe does not show the order"
    wanted = {"x"} if made["pass_rule"] == ALWAYS_X else {"x", "y"}
    assert set(made["orders"]) == set(made["orders_anywhere"]) - {"same"} == wanted


ODD_PILLOWS = {
    "resize": (
        "Image.py",
        "B",
        "Pillow's resize follows no known rule",
        """
_resize = Image.resize


def _resize_y_first(self, size, resample=None, box=None, reducing_gap=None):
    if box is None and size[0] != self.size[0] and size[1] != self.size[1]:
        self = _resize(self, (self.size[0], size[1]), resample)
    return _resize(self, size, resample, box, reducing_gap)


Image.resize = _resize_y_first
""",
    ),
    "jpeg": (
        "JpegImagePlugin.py",
        "C",
        "Pillow decodes JPEG to other pixels",
        """
_open = JpegImageFile._open


def _open_for_speed(self):
    _open(self)
    self.decoderconfig = (1, 1)


JpegImageFile._open = _open_for_speed
""",
    ),
}


def odd_pillow(environment, target, file, addition):
    """A folder for PYTHONPATH with the environment's Pillow, one file of it with an addition."""
    folder = pillow_folder(environment)
    libraries = folder.parent / "pillow.libs"
    (target / "PIL").mkdir(parents=True)
    for entry in folder.iterdir():
        if entry.name not in (file, "__pycache__"):
            (target / "PIL" / entry.name).symlink_to(entry)
    if libraries.is_dir():
        (target / "pillow.libs").symlink_to(libraries)
    (target / "PIL" / file).write_text((folder / file).read_text() + addition)
    return target


def run_both(environment, what, photos, folder, **options):
    """Results of odd.py without and with the attachment, and the latter's standard error."""
    outs = [folder / "plain.json", folder / "attached.json"]
    processes = [
        environments.start(
            environment,
            [environments.HERE / "odd.py", what, photos, out],
            attach=out is outs[1],
            **options,
        )
        for out in outs
    ]
    try:
        errors = [environments.finish(process)[1] for process in processes]
    finally:
        for process in processes:
            process.kill()
    plain, attached = (json.loads(out.read_text()) for out in outs)
    return plain, attached, errors[1]


def check_lower(results, tier, reasons):
    """Two loaders for each reason, which say it; the batches are the script's own all the same."""
    plain, attached, errors = results
    lines = [line for line in errors.splitlines() if line.startswith("dlop: ")]
    assert len(lines) == 2 * len(reasons), errors
    for number, line in enumerate(lines):
        assert f": tier {tier}: {reasons[number // 2]}" in line
    assert attached == plain
    assert len({json.dumps(batches) for batches in plain}) == len(plain)


@pytest.mark.parametrize(
    "name, what", [("torch113", "resize"), ("torch113", "jpeg"), ("pillow13", "resize")]
)
def test_odd_pillow_lowers_the_tier(found, pictures, tmp_path, name, what):
    environment, _ = found(name)
    file, tier, reason, addition = ODD_PILLOWS[what]
    folder = odd_pillow(environment, tmp_path / "odd", file, addition)
    results = run_both(environment, "nothing", pictures[0], tmp_path, folders=[folder])
    check_lower(results, tier, [reason])


ODD_DRAWS = {
    "exp": "torch.exp follows no known rule",
    "uniform_": "torch's uniform_ follows no known rule",
    "randint": "torch's randint follows no known rule",
    "randperm": "torch's randperm or random_ follows no known rule",
}


@pytest.mark.parametrize("name", ["torch113", "pillow13"])
def test_odd_draws_lower_the_tier(found, pictures, tmp_path, name):
    environment, _ = found(name)
    results = run_both(environment, ",".join(ODD_DRAWS), pictures[0], tmp_path)
    check_lower(results, "B", list(ODD_DRAWS.values()))
