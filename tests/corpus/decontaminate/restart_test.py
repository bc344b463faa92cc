"""A build that is killed again and again ends as one that was not."""

import json
import pathlib
import signal
import subprocess
import sys

import pytest

from keras_gpt3.corpus.decontaminate.decontamination import EvaluationTexts
from tests.fixtures.corpus.planted_contamination import evaluation_texts
from tests.fixtures.corpus.planted_contamination import planted_contamination

pytestmark = pytest.mark.slow

SCRIPT = pathlib.Path(__file__).parents[1] / "broken_build.py"


def build(raw, folder, num_parts):
    done = subprocess.run(
        [sys.executable, SCRIPT, raw, folder, str(num_parts)],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode == 0


def files_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.suffix in (".zst", ".uint16")
        if not any(part.startswith(".") for part in path.parts)
    } | {"manifest": (folder / "5" / "novels" / "manifest.json").read_bytes()}


def test_killed_builds_end_as_others_do(tmp_path):
    raw = tmp_path / "raw"
    raw.mkdir()
    documents = planted_contamination()[:12]
    for number in range(3):
        lines = (
            json.dumps({"id": item.id, "text": item.text}) + "\n"
            for item in documents[number::3]
        )
        (raw / f"{number}.jsonl").write_text("".join(lines))
    texts = evaluation_texts()
    EvaluationTexts(texts, texts).write(raw / "evaluation.json")
    assert build(raw, tmp_path / "whole", 0)
    kills, num_parts = 0, 10
    while not build(raw, tmp_path / "killed", num_parts):
        kills, num_parts = kills + 1, 21 - num_parts
    # Parts are read, deduplicated, searched, cut, tokenized and written.
    assert kills >= 2
    assert files_of(tmp_path / "killed") == files_of(tmp_path / "whole")
    assert not list((tmp_path / "killed").rglob("*.partial"))
