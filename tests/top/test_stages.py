"""Each stage of hw/top can be a top of its own; tests/top/stages finds those that cannot."""

import pathlib
import shutil
import subprocess

import pytest

STAGES = pathlib.Path(__file__).parent / "stages"
TABLE = "| `step.h` | `dlop_top_half` | | |\n"
GOOD = """#include "hw/abi/port.h"
/* Stage: halves. */
DLOP_STEP u32 dlop_top_half(const u8 bytes[4], u32 i)
{
    return bytes[i] / 2u;
}
"""
UNFIT = {
    "argument that a top cannot have": GOOD.replace(
        "const u8 bytes[4]", "const u8 *const *bytes"
    ).replace("bytes[i]", "bytes[0][i]"),
    "result of type": GOOD.replace("u32 dlop", "float dlop"),
    "does not compile with gcc": GOOD.replace("/ 2u", "/ 2u + (i >= -1)"),
    "needs from outside: outside": GOOD.replace(
        "/* Stage", "u32 outside(u32 i);\n/* Stage"
    ).replace("/ 2u", "/ outside(i)"),
    "not in the table": GOOD + GOOD.replace("half", "other").split("\n", 1)[1],
    "not in a header": GOOD.replace("half", "other").replace("Stage:", "Helper:"),
    'does not begin with "Stage:"': GOOD.replace("Stage:", "Helper:"),
}

pytestmark = pytest.mark.skipif(not shutil.which("clang"), reason="clang: not installed")


def run(*arguments):
    return subprocess.run(
        [str(STAGES), *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_every_stage_can_be_a_top():
    done = run()
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("rule", UNFIT)
def test_unfit_stage_is_found(tmp_path, rule):
    (tmp_path / "README.md").write_text(TABLE)
    (tmp_path / "step.h").write_text(GOOD)
    assert run(tmp_path).returncode == 0
    (tmp_path / "step.h").write_text(UNFIT[rule])
    done = run(tmp_path)
    assert done.returncode == 1
    assert rule in done.stdout
