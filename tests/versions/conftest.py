"""Pictures of the matrix, and its runs: once per environment, both ways, when first asked for."""

import dataclasses
import functools
import json
import pathlib
import shutil

import environments
import pytest

PHOTOS = environments.ROOT / "build" / "photos"
FALLBACKS = ("picture.png", "progressive.jpg")  # what the kernels leave to Pillow


def photos_of(name, count):
    """The first files of a photo set, evenly spread over it; or a skip."""
    folder = PHOTOS / name
    if not (folder / "stats.json").is_file():
        pytest.skip(f"photos: {folder} is missing, make photos cuts it")
    files = sorted((folder / "train").rglob("*.jpg"))
    return files[:: max(len(files) // count, 1)][:count]


@pytest.fixture(scope="session")
def pictures(tmp_path_factory):
    """(photos, tall): folders of two classes. Photographs of two sets, grey ones among them, one
    as PNG and one progressive; and columns of photographs, from 1 to 5 pixels wide."""
    image_module = pytest.importorskip("PIL.Image", reason="pillow13: Pillow is not installed")
    root = tmp_path_factory.mktemp("pictures")
    for folder in ("photos/a", "photos/b", "tall/a", "tall/b"):
        (root / folder).mkdir(parents=True)
    large, small = photos_of("imagenet", 8), photos_of("tiny", 10)
    for number, file in enumerate([*large[:6], *small]):
        shutil.copy(file, root / "photos" / "ab"[number % 2] / f"{number:02}.jpg")
    image_module.open(large[6]).save(root / "photos/a" / FALLBACKS[0])
    image_module.open(large[7]).save(root / "photos/b" / FALLBACKS[1], progressive=True, quality=92)
    for number, file in enumerate(large[:7]):
        width = (1, 2, 3, 4, 5, 3, 3)[number]
        column = image_module.open(file).convert("RGB").crop((90, 0, 90 + width, 301))
        column.save(root / "tall" / "ab"[number % 2] / f"{number}.jpg", quality=95)
    assert any(image_module.open(file).mode == "L" for file in (root / "photos").rglob("*.jpg"))
    return root / "photos", root / "tall"


@dataclasses.dataclass
class Runs:
    """Results of matrix.py by case, without and with the attachment; of the latter also its
    standard error and the entries of its report, by case. capability: of torch, see cpu.py."""

    capability: str
    plain: dict
    attached: dict
    errors: str
    loaders: dict


@pytest.fixture(scope="session")
def runs(pictures, tmp_path_factory):
    """Function: Runs of an environment, or a skip with the reason."""
    folder = tmp_path_factory.mktemp("runs")

    @functools.cache
    def of(name):
        environment = environments.BY_NAME[name]
        outs = [folder / f"{name}-{way}.json" for way in ("plain", "attached", "report")]
        script = environments.HERE / "matrix.py"
        commands = [[script, *pictures, environment.cases, out] for out in outs[:2]]
        plain = environments.start(environment, commands[0], attach=False)
        attached = environments.start(
            environment, commands[1], attach=True, DLOP_REPORT=str(outs[2])
        )
        try:
            environments.finish(plain)
            errors = environments.finish(attached)[1]
        finally:
            plain.kill()
            attached.kill()
        results = [json.loads(out.read_text()) for out in outs]
        assert results[0]["capability"] == results[1]["capability"]
        plain_results, attached_results = results[0]["cases"], results[1]["cases"]
        (process,) = [p for p in results[2]["processes"] if p["loaders"]]
        loaders = dict(zip(attached_results, process["loaders"]))
        assert len(process["loaders"]) == len(attached_results)
        return Runs(results[0]["capability"], plain_results, attached_results, errors, loaders)

    def of_or_skip(name):
        found, why = environments.look(environments.BY_NAME[name])
        if found is None:
            pytest.skip(why)
        return of(name)

    return of_or_skip


@pytest.fixture
def found():
    """Function: (environment, its versions by package), or a skip with the reason."""

    def of(name):
        environment = environments.BY_NAME[name]
        versions, why = environments.look(environment)
        if versions is None:
            pytest.skip(why)
        return environment, versions

    return of


def pillow_folder(environment):
    """Folder of the package PIL that an environment imports."""
    command = ["-c", "import PIL; print(PIL.__file__)"]
    return pathlib.Path(environments.run(environment, command, attach=False)[0].strip()).parent
