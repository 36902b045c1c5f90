"""The cycle model's tables: as JSON, as text, and as hw/README.md quotes them."""

import json
import os
import pathlib
import re
import subprocess

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("DLOP_BUILD", ROOT / "build" / "release"))
MODEL = BUILD / "tests" / "bench" / "card_model"
CARDS = ["U50", "U55C", "U200", "U250", "U280", "VCK5000", "V80"]
MODES = ["cold", "indexed", "coefficients"]
TYPES = ["f32", "f16", "u8"]
# Another release of Pillow may encode the photographs a little differently.
TOLERANCE = 0.02
README_ROW = re.compile(r"\| (\w*) \| (\d*) \| (cold|indexed|coefficients) \| (.*) \|$")


def run(photo_set, *arguments):
    """Output of the model over a photo set, or a skip."""
    folder = ROOT / "build" / "photos" / photo_set
    if not (folder / "stats.json").is_file():
        pytest.skip(f"photos: {folder} is missing, make photos cuts it")
    return subprocess.run(
        [MODEL, *arguments, folder], check=True, capture_output=True, text=True, timeout=200
    ).stdout


def test_json_has_every_card_with_a_limit():
    model = json.loads(run("tiny", "--json", "--draws", "1"))
    assert model["photographs"] > 50
    assert [card["card"] for card in model["cards"]] == CARDS
    for card in model["cards"]:
        assert card["engines"] >= 1
        for mode in MODES:
            rates = [card["modes"][mode][t] for t in TYPES]
            assert all(rate["limit"] and rate["images_per_s"] > 0 for rate in rates)
            assert sorted(r["images_per_s"] for r in rates) == [r["images_per_s"] for r in rates]
    assert set(model["engine"]) == {*MODES, "cold, as written"}


def test_assumptions_are_marked():
    model = json.loads(run("tiny", "--json", "--draws", "1"))
    assert "entropy" in model["assumptions"][0]["what"]
    assert model["assumptions"][0]["trust"] == "ASSUMED"
    assert "II of the entropy loop  ASSUMED" in run("tiny", "--draws", "1")


def numbers(text):
    return [int(n.replace(",", "")) for n in re.findall(r"\d[\d,]*", text)]


def is_quoted(rate, line):
    return any(abs(n - rate) <= TOLERANCE * rate for n in numbers(line))


@pytest.mark.full
def test_readme_quotes_the_model():
    """Every row of the cards, the rates of the engines, and every assumption."""
    model = json.loads(run("imagenet", "--json"))
    lines = (ROOT / "hw" / "README.md").read_text().splitlines()
    rows = [match.groups() for match in map(README_ROW.match, lines) if match]
    assert len(rows) == len(CARDS) * len(MODES)
    for i, (name, engines, mode, cells) in enumerate(rows):
        card = model["cards"][i // len(MODES)]
        assert mode == MODES[i % len(MODES)]
        for kind, cell in zip(TYPES, cells.split(" | "), strict=True):
            assert is_quoted(card["modes"][mode][kind]["images_per_s"], cell), (name, mode)
            assert f"({card['modes'][mode][kind]['limit']})" in cell
        if mode == MODES[0]:
            assert name == card["card"] and int(engines) == card["engines"]
    rates = {mode: model["engine"][mode]["images_per_s"] for mode in model["engine"]}
    in_waves = next(line for line in lines if "in waves of 4 as" in line)
    assert all(is_quoted(rates[mode], in_waves) for mode in MODES)
    in_series = next(line for line in lines if "processes of a wave in series" in line)
    for mode in MODES:
        assert is_quoted(model["engine"][mode]["images_per_s_in_series"], in_series)
    as_written = next(line for line in lines if "as written: nothing unrolled" in line)
    assert is_quoted(rates["cold, as written"], as_written)
    for name, rate in model["whole_files_images_per_s"].items():
        start = "| " + name.replace("vitis-", "vitis codec ")
        quoted = [line for line in lines if line.lower().startswith(start)]
        assert name in ("as written", "in series") or any(
            is_quoted(rate, line) for line in quoted
        ), name
    text = "\n".join(lines)
    for assumption in model["assumptions"]:
        assert f"| {assumption['what']} | {assumption['value']} |" in text
