import json

import pytest

from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.decontaminate.decontaminate_stage import CUT_OUT
from keras_gpt3.corpus.decontaminate.decontaminate_stage import CountNgrams
from keras_gpt3.corpus.decontaminate.decontaminate_stage import (
    DecontaminatePart,
)
from keras_gpt3.corpus.decontaminate.decontamination import EvaluationTexts
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.pipeline.part_file import written_part

SETTINGS = DecontaminateSection(
    ngram=3, window=2, min_characters=5, max_pieces=2
)


@pytest.fixture
def run(tmp_path):
    """A function from texts to what is counted, kept and rejected."""

    def run(texts, common=frozenset()):
        evaluation = EvaluationTexts(["first", "second"], ["a b c d", "e f g"])
        path = str(tmp_path / "evaluation.json")
        evaluation.write(path)
        source = str(tmp_path / "in.jsonl.zst")
        with written_part(source) as write:
            for number, text in enumerate(texts):
                write(Document(f"{number}", "novels", text, "http://x"))
        find = CountNgrams(path, evaluation.digest, 3)
        ngrams, out = (
            StagePart("novels", "part-0", str(tmp_path / name), source, "1f")
            for name in ("ngrams", "out")
        )
        ngrams.finish(find(ngrams))
        rewrite = DecontaminatePart(
            find, str(tmp_path / "ngrams"), common, SETTINGS
        )
        counts = rewrite(out)
        kept = list(read_part(out.output))
        dropped = map(json.loads, read_part_lines(out.rejected("dropped")))
        return ngrams.counts, counts, kept, list(dropped)

    return run


def test_an_n_gram_counts_once_in_each_document(run):
    found, _, _, _ = run(["a b c. A b c d", "none", "e f g, b c d"])
    assert found["documents"] == [0, 2]
    # "a b c" stands twice in one document, "b c d" once in each.
    assert sorted(found["ngrams"].values()) == [1, 1, 2]


def test_pieces_are_documents_that_know_whose_they_were(run):
    _, counts, kept, dropped = run(["Of this, a b c d is cut.", "none"])
    assert [(d.id, d.text) for d in kept] == [
        ("0#0", "Of this"),
        ("0#1", "s cut."),
        ("1", "none"),
    ]
    assert kept[0].extra == {"piece_of": "0"} and kept[0].url == "http://x"
    assert kept[2].extra == {}
    assert counts["documents_in"] == 2 and counts["documents_out"] == 3
    assert counts["dropped"] == {}
    assert counts["cut"] == {"documents": 1, "pieces": 2, "characters": 11}
    (record,) = dropped
    assert (record["reason"], record["id"]) == (CUT_OUT, "0")
    assert record["detail"] == {"ngram": "a b c", "ngrams": 2, "of": ["first"]}


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("1234 a b c 12345", "no piece of 5 characters"),
        (
            "1234567 a b c 123456 e f g 1234567",
            "more than 2 pieces",
        ),
    ],
)
def test_a_document_of_which_nothing_stays_is_dropped(run, text, reason):
    _, counts, kept, dropped = run([text])
    assert kept == [] and counts["dropped"] == {reason: 1}
    assert dropped[0]["reason"] == reason
    assert counts["samples"][reason][0]["id"] == "0"


def test_common_n_grams_stay(run):
    text = "1234567 a b c d 1234567"
    found, *_ = run([text])
    first, second = sorted(map(int, found["ngrams"]))
    _, _, kept, dropped = run([text], common=frozenset([first, second]))
    assert [d.text for d in kept] == [text] and dropped == []
    # One of them is not common.
    _, _, kept, _ = run([text], common=frozenset([first]))
    assert len(kept) == 2
