"""What the documentation's pages print is run, page by page: `make docs`."""

import os
import pathlib
import re
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]
# The guide to parallelism has blocks for two backends, and a test of its own.
PAGES = sorted(
    {*(ROOT / "docs").rglob("*.md")} - {ROOT / "docs/parallelism.md"}
)
BLOCK = re.compile(r"^```python\n(.*?)^```", re.MULTILINE | re.DOTALL)


def code_of(page):
    """The page's code, each line where it stands in the page."""
    text = page.read_text("utf-8")
    code = [""] * text.count("\n")
    for block in BLOCK.finditer(text):
        first = text.count("\n", 0, block.start(1))
        lines = block[1].splitlines()
        code[first : first + len(lines)] = lines
    return "\n".join(code)


def has_code(page):
    return bool(BLOCK.search(page.read_text("utf-8")))


@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if has_code(page)],
    ids=lambda page: page.relative_to(ROOT / "docs").as_posix(),
)
def test_a_page_runs_as_printed(page, tmp_path):
    script = tmp_path / "page.py"
    script.write_text(code_of(page))
    environment = os.environ | {
        "PYTHONPATH": str(ROOT),
        "MPLBACKEND": "agg",
    }
    finished = subprocess.run(
        [sys.executable, script.name],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr[-4000:]
