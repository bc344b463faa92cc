import pathlib
import subprocess
import sys

import pytest
from harness.corpus_quality import duplicate_quality
from harness.corpus_quality import plot_recall

pytestmark = pytest.mark.slow

SCRIPT = pathlib.Path(__file__).parents[2] / "benchmarks" / "corpus.py"


def test_duplicates_are_found_as_theory_says_and_drawn(tmp_path):
    quality = duplicate_quality(tmp_path)
    assert [row["edited"] for row in quality["rates"]] == [
        0.01,
        0.05,
        0.1,
        0.2,
        0.4,
    ]
    for row in quality["rates"]:
        # Five standard deviations of the least sure of 160 draws.
        assert abs(row["share_a_band"] - row["theory"]) < 0.2
    assert quality["recall"] > 0.99
    assert quality["wrong_pairs"] == 0
    assert sum(count for *_, count in quality["points"]) == 5 * 160
    plot_recall(quality, tmp_path / "recall.png")
    assert (tmp_path / "recall.png").read_bytes().startswith(b"\x89PNG")


def test_it_says_what_to_install_where_datatrove_is_missing():
    run = subprocess.run(
        [sys.executable, SCRIPT, "--datatrove-python", "false"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode == 1
    assert run.stderr.startswith("The benchmark must have datatrove to compare")
    assert "pip install" in run.stderr
    assert run.stdout == ""
