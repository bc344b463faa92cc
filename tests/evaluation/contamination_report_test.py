import json

import pytest

from keras_gpt3.evaluation import contamination_report as module
from keras_gpt3.evaluation.contamination import Contamination
from keras_gpt3.evaluation.contamination_report import contamination_table
from keras_gpt3.evaluation.contamination_report import (
    write_contamination_report,
)
from keras_gpt3.evaluation.contamination_scores import contamination_scores

FOUND = Contamination(8, (True, False, False, False), (False, True) * 2)
RESULTS = {
    "plain": (FOUND, None),
    "scored": (FOUND, contamination_scores(FOUND, [1.0, 1.0, 0.0, 0.0])),
}


def cells(line):
    return [cell.strip() for cell in line.strip("|\n").split("|")]


def test_the_table_has_scores_side_by_side():
    head, _, plain, scored = contamination_table(RESULTS).splitlines()
    assert len(cells(head)) == 11
    assert cells(plain) == [
        *("plain", "8", "4", "", "1", "", "3", "", "75.0", "2", "")
    ]
    everything, dirty, clean = (cells(scored)[i] for i in (3, 5, 7))
    assert everything.startswith("0.5 (0 to ")
    assert dirty == "1 (1 to 1)"
    assert clean.startswith("0.333 (0 to 1")
    assert cells(scored)[10].startswith("-33.3 (-100.0 to ")


def test_files_are_written_with_the_numbers_of_dirty_examples(tmp_path):
    (tmp_path / "mine.txt").write_text("stays")
    write_contamination_report(RESULTS, tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"mine.txt", *module._OWNED}
    content = json.loads((tmp_path / "contamination.json").read_text())
    assert content["plain"] == {
        "n": 8,
        "num_examples": 4,
        "share_clean": 0.75,
        "dirty": [0],
        "short": [1, 3],
    }
    assert content["scored"]["clean"]["score"] == pytest.approx(1 / 3)
    text = (tmp_path / "contamination.md").read_text()
    assert "(contamination.png)" in text
    # The plot of an earlier report goes.
    write_contamination_report({"plain": (FOUND, None)}, tmp_path)
    assert not (tmp_path / "contamination.png").exists()


def test_a_report_that_fails_leaves_nothing(tmp_path, monkeypatch):
    def fail(*_):
        raise OSError("no space")

    monkeypatch.setattr(module, "write_sections", fail)
    with pytest.raises(OSError, match="no space"):
        write_contamination_report(RESULTS, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []
