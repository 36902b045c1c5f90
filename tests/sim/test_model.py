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


@pytest.mark.full
def test_readme_quotes_the_model():
    """Every row of the cards, the engine's rates, and every assumption."""
    model = json.loads(run("imagenet", "--json"))
    text = (ROOT / "hw" / "README.md").read_text()
    rows = [match.groups() for match in map(README_ROW.match, text.splitlines()) if match]
    assert len(rows) == len(CARDS) * len(MODES)
    for i, (_, engines, mode, cells) in enumerate(rows):
        card = model["cards"][i // len(MODES)]
        wanted = [card["modes"][mode][t] for t in TYPES]
        assert mode == MODES[i % len(MODES)]
        assert cells.split(" | ") == [f"{w['images_per_s']:,} ({w['limit']})" for w in wanted]
        if mode == MODES[0]:
            assert rows[i][0] == card["card"] and int(engines) == card["engines"]
    for mode in (*MODES, "cold, as written"):
        assert f"{model['engine'][mode]['images_per_s']:,}" in text
    for name, rate in model["whole_files_images_per_s"].items():
        assert name == "as written" or f" {rate:,} |" in text
    for assumption in model["assumptions"]:
        assert f"| {assumption['what']} | {assumption['value']} |" in text
