import json

import pytest

from keras_gpt3.corpus.dedup.dedup_plan import DropDuplicates
from keras_gpt3.corpus.dedup.dedup_plan import read_drops
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from tests.corpus.part_files import write_parts

MATCH = {"matched": "b", "similarity": 0.87, "kept": "c"}


def drop(tmp_path, rows):
    """Counts, the ids kept, and the records of what was dropped."""
    (item,) = write_parts(tmp_path / "in", {name: name * 9 for name in "abc"})
    path = tmp_path / "drops.json"
    drops = [{"row": r, "reason": "near duplicate", **MATCH} for r in rows]
    path.write_text(json.dumps(drops))
    part = StagePart("web", "part-00000", str(tmp_path), item.path, "1f")
    counts = DropDuplicates({item.path: str(path)})(part)
    kept = [document.id for document in read_part(part.output)]
    lines = read_part_lines(part.rejected("dropped"))
    return counts, kept, [json.loads(line) for line in lines]


def test_rows_go_and_say_what_they_matched(tmp_path):
    counts, kept, records = drop(tmp_path, [0, 2])
    assert kept == ["b"]
    assert [record["id"] for record in records] == ["a", "c"]
    assert records[0]["detail"] == MATCH
    assert records[0]["text"] == "a" * 9
    assert counts["dropped"] == {"near duplicate": 2}
    assert (counts["documents_in"], counts["documents_out"]) == (3, 1)
    assert counts["histograms"]["similarity"] == {"0.85": 2}


def test_without_drops_all_stays(tmp_path):
    counts, kept, records = drop(tmp_path, [])
    assert kept == ["a", "b", "c"] and records == []
    assert counts["dropped"] == {}


def test_a_missing_or_damaged_file_is_not_taken_for_no_drops(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be listed. Received"):
        read_drops(tmp_path / "drops.json")
    (tmp_path / "drops.json").write_text("[")
    with pytest.raises(ValueError, match="must be a list in JSON. Received"):
        read_drops(tmp_path / "drops.json")
