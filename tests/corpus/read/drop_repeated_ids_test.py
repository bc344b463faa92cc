import json
import os
import pathlib

import pytest

from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.read.read_file_part import ReadFilePart
from keras_gpt3.corpus.read.read_stage import DropRepeatedIds


@pytest.fixture
def parts(tmp_path):
    """A part that was read, with a rejected line, and the one made of it."""
    path = tmp_path / "a.jsonl"
    texts = ["Once", "upon a time", "there was"]
    path.write_text(
        "".join(json.dumps({"text": text}) + "\n" for text in texts) + "{"
    )
    read = StagePart(
        "novels", "part-00000", str(tmp_path / "0"), str(path), "1f"
    )
    read.finish(ReadFilePart({"novels": str(tmp_path)})(read))
    part = StagePart(
        "novels", "part-00000", str(tmp_path / "1"), read.output, "2f"
    )
    return read, part


def rejected(part):
    return list(map(json.loads, read_part_lines(part.rejected("rejected"))))


def test_a_part_without_duplicates_is_the_same_file(parts):
    read, part = parts
    for _ in range(2):
        assert DropRepeatedIds({"other": [0]})(part) == read.counts
    assert os.path.samefile(read.output, part.output)
    assert rejected(part) == rejected(read)
    assert not list(pathlib.Path(part.folder).rglob(".*"))


def test_a_part_is_copied_where_files_have_one_name_only(parts, monkeypatch):
    def refuse(*paths):
        raise OSError("Operation not supported.")

    monkeypatch.setattr(os, "link", refuse)
    read, part = parts
    assert DropRepeatedIds({})(part) == read.counts
    assert list(read_part(part.output)) == list(read_part(read.output))


def test_documents_are_rejected_by_their_place(parts):
    read, part = parts
    counts = DropRepeatedIds({read.output: [1]})(part)
    kept = [document.text for document in read_part(part.output)]
    assert kept == ["Once", "there was"]
    records = rejected(part)
    assert [record["reason"] for record in records] == [
        "no JSON",
        "duplicate id",
    ]
    assert records[1]["id"] == "novels/a.jsonl:2"
    assert counts["documents_in"] == 4
    assert counts["documents_out"] == 2
    assert counts["characters_in"] == read.counts["characters_in"]
    assert counts["characters_out"] == len("Oncethere was")
    assert counts["dropped"] == {"duplicate id": 1, "no JSON": 1}
    assert counts["files"] == 1
    assert sum(counts["histograms"]["length"].values()) == 2
    assert set(counts["samples"]) == {"duplicate id", "no JSON"}
