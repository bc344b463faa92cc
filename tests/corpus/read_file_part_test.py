import json

import numpy as np
import pytest

from keras_gpt3.corpus.corpus_config import ReadSection
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.read.read_file_part import ReadFilePart
from keras_gpt3.corpus.read.read_file_part import ids_path

ENGLISH = "It was the best of times, it was the worst of times."
GERMAN = "Es war einmal ein K\u00f6nig, der hatte eine Tochter."


@pytest.fixture
def read(tmp_path):
    path = tmp_path / "in" / "a.jsonl"
    path.parent.mkdir()

    def read(texts, **settings):
        path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
        part = StagePart(
            "novels", "part-00000", str(tmp_path / "1"), str(path), "1f"
        )
        counts = ReadFilePart(
            {"novels": str(tmp_path)}, ReadSection(**settings)
        )(part)
        kept = list(read_part(part.output))
        rejected = list(
            map(json.loads, read_part_lines(part.rejected("rejected")))
        )
        assert counts["documents_out"] == len(kept)
        assert sum(counts["dropped"].values()) == len(rejected)
        assert np.load(ids_path(part)).shape == (2, len(kept))
        return kept, rejected, counts

    return read


def test_documents_are_repaired_and_named_below_the_root(read):
    kept, rejected, counts = read(["cafÃ©\r\n", ENGLISH])
    assert [document.text for document in kept] == ["café", ENGLISH]
    assert kept[0].id == "novels/in/a.jsonl:1"
    assert kept[0].extra == {}
    assert rejected == []
    assert counts["documents_in"] == 2
    assert counts["files"] == 1


def test_other_languages_are_rejected(read):
    kept, rejected, counts = read([ENGLISH, GERMAN, "123"], languages=["en"])
    assert [document.text for document in kept] == [ENGLISH]
    assert kept[0].extra["language"] == "en"
    assert kept[0].extra["language_score"] > 0.5
    assert [a["detail"]["language"] for a in rejected] == ["de", "und"]
    assert counts["dropped"] == {"other language": 2}
    assert sum(counts["histograms"]["language score"].values()) == 1


def test_a_language_that_is_not_sure_is_rejected(read):
    _, _, counts = read([ENGLISH], languages=["en"], min_language_score=1.0)
    assert counts["dropped"] == {"unsure language": 1}


def test_short_and_empty_texts_are_rejected(read):
    kept, rejected, counts = read(
        ["  \n", "Once", "Once upon"], min_characters=5
    )
    assert [document.text for document in kept] == ["Once upon"]
    assert [record["reason"] for record in rejected] == [
        "empty text",
        "short text",
    ]
    _, _, counts = read(["", "x"], min_characters=0)
    assert counts["dropped"] == {"empty text": 1}


def test_half_a_surrogate_pair_can_be_written(read):
    kept, _, _ = read(["Once \ud800 upon"])
    assert kept[0].text == "Once \ufffd upon"


def test_a_crawl_s_own_records_are_counted_and_no_loss(tmp_path):
    path = tmp_path / "a.warc.wet"
    record = (
        "WARC/1.0\r\nWARC-Type: {}\r\nContent-Length: 4\r\n\r\nOnce\r\n\r\n"
    )
    kinds = ["warcinfo", "request", "conversion", "request"]
    path.write_text("".join(map(record.format, kinds)), newline="")
    part = StagePart(
        "crawl", "part-00000", str(tmp_path / "1"), str(path), "1f"
    )
    counts = ReadFilePart({"crawl": str(tmp_path)})(part)
    assert counts["other_records"] == {"warcinfo": 1, "request": 2}
    assert counts["documents_in"] == counts["documents_out"] == 1
    assert counts["dropped"] == {}
