import json

import pytest

from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.decontaminate.decontaminate_stage import CUT_OUT
from keras_gpt3.corpus.decontaminate.decontaminate_stage import CountNgrams
from keras_gpt3.corpus.decontaminate.decontaminate_stage import (
    DecontaminatePart,
)
from keras_gpt3.corpus.decontaminate.decontaminate_stage import (
    decontaminate_stage,
)
from keras_gpt3.corpus.decontaminate.decontamination import EvaluationTexts
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.pipeline.part_file import written_part
from tests.corpus.part_files import write_parts
from tests.fixtures.corpus.planted_contamination import evaluation_texts
from tests.fixtures.corpus.planted_contamination import planted_contamination

# === Decontaminate stage ===


@pytest.fixture(scope="module")
def planted():
    return planted_contamination()


@pytest.fixture
def inputs(tmp_path, planted):
    texts = {document.id: document.text for document in planted}
    return write_parts(tmp_path / "in", texts, 3, source="novels")


@pytest.fixture(scope="module")
def evaluation():
    texts = evaluation_texts()
    return EvaluationTexts([f"speech {i}" for i in range(len(texts))], texts)


def read(stage):
    return [d for item in stage.outputs() for d in read_part(item.path)]


def without_places(text, places):
    """What is to stay of a text, character by character."""
    kept = [True] * len(text)
    for start, end in places:
        for i in range(max(0, start - 200), min(len(text), end + 200)):
            kept[i] = False
    cut = "".join(
        character if is_kept else "\0"
        for character, is_kept in zip(text, kept, strict=True)
    )
    pieces = [piece for piece in cut.split("\0") if piece]
    return [] if len(pieces) > 10 else [p for p in pieces if len(p) >= 200]


def test_all_planted_text_is_cut_and_nothing_else(
    tmp_path, planted, inputs, evaluation
):
    stage = decontaminate_stage(
        DecontaminateSection(), inputs, tmp_path / "out", evaluation=evaluation
    )
    left = {}
    for document in read(stage):
        whole = document.extra.get("piece_of", document.id)
        left.setdefault(whole, []).append(document.text)
    for item in planted:
        expected = [item.text]
        if item.places:
            expected = without_places(item.text, item.places)
        assert left.get(item.id, []) == expected, item.id
    # The truth has all cases in it.
    assert sum(bool(item.places) for item in planted) == 15
    assert sum(len(item.places) for item in planted) > 45
    assert "long" not in left
    totals = stage.totals["all"]
    assert totals["documents_in"] == len(planted) == 41
    assert totals["dropped"]["more than 10 pieces"] == 1
    assert totals["documents_out"] == sum(map(len, left.values()))
    assert stage.totals["ngrams"]["common"] == 1
    assert stage.totals["ngrams"]["texts"] == len(evaluation.texts)
    assert stage.totals["ngrams"]["short_texts"] == 0


def test_what_was_cut_is_told_with_what_it_matched(
    tmp_path, planted, inputs, evaluation
):
    stage = decontaminate_stage(
        DecontaminateSection(), inputs, tmp_path / "out", evaluation=evaluation
    )
    records = [
        json.loads(line)
        for part in stage.parts
        for line in read_part_lines(part.rejected("dropped"))
    ]
    touched = {item.id for item in planted if item.places}
    assert {record["id"] for record in records} == touched
    by_name = dict(zip(evaluation.names, evaluation.texts, strict=True))
    for record in records:
        ngram = record["detail"]["ngram"].lower()
        words = [word.strip('.,;:"()') for word in ngram.split()]
        texts = [by_name[name] for name in record["detail"]["of"]]
        assert all(any(w in t.lower() for t in texts) for w in words)
    (samples,) = (stage.totals["all"]["samples"],)
    assert samples["evaluation text cut out"][0]["detail"]["of"]
    assert stage.totals["all"]["cut"]["documents"] == len(touched) - len(
        [r for r in records if r["reason"] != "evaluation text cut out"]
    )


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path, inputs, evaluation):
    contents = []
    for workers in (1, 2):
        stage = decontaminate_stage(
            DecontaminateSection(),
            inputs,
            tmp_path / f"out{workers}",
            options=beam_options(workers=workers),
            evaluation=evaluation,
        )
        files = sorted(stage.folder.rglob("part-*"))
        contents.append([path.read_bytes() for path in files])
    assert contents[0] == contents[1]


def test_an_n_gram_of_eleven_documents_stays_and_of_ten_goes(tmp_path):
    question = "one two three four five six seven eight nine ten 11 12 13"
    evaluation = EvaluationTexts(["q"], [question])
    for count in (10, 11):
        text = "x " * 200 + question + " y" * 200
        texts = {f"{i}": text for i in range(count)}
        # Several in one document count once.
        texts["0"] = f"{text} " * 2
        folder = tmp_path / f"{count}"
        stage = decontaminate_stage(
            DecontaminateSection(),
            write_parts(folder, texts, 2),
            folder / "out",
            evaluation=evaluation,
        )
        held = [question in document.text for document in read(stage)]
        assert any(held) == (count == 11)


def test_only_what_is_missing_is_made_again(tmp_path, inputs, evaluation):
    arguments = DecontaminateSection(), inputs, tmp_path / "out"
    stage = decontaminate_stage(*arguments, evaluation=evaluation)
    paths = sorted(stage.folder.rglob("part-*"))
    before = {path: path.read_bytes() for path in paths}
    # As a kill may leave it.
    (stage.folder / "stage.json").unlink()
    (stage.folder / "novels" / "part-00001.json").unlink()
    times = {path: path.stat().st_mtime_ns for path in paths if path.exists()}
    decontaminate_stage(*arguments, evaluation=evaluation)
    assert {path: path.read_bytes() for path in paths} == before
    changed = {
        path.relative_to(stage.folder)
        for path in times
        if path.stat().st_mtime_ns != times[path]
    }
    assert {path.stem.partition(".")[0] for path in changed} == {"part-00001"}


def test_another_set_of_texts_is_refused(tmp_path, inputs, evaluation):
    arguments = DecontaminateSection(), inputs, tmp_path / "out"
    decontaminate_stage(*arguments, evaluation=evaluation)
    other = EvaluationTexts(["other"], ["other " * 13])
    with pytest.raises(FileExistsError, match="hold no other run.*evaluation="):
        decontaminate_stage(*arguments, evaluation=other)
    # Where the texts were read changes nothing.
    settings = DecontaminateSection(texts=["elsewhere.jsonl"])
    assert decontaminate_stage(
        settings, *arguments[1:], evaluation=evaluation
    ).is_done


def test_texts_of_which_none_can_be_found_are_refused(tmp_path, inputs):
    settings = DecontaminateSection(tasks=["two_digit_addition"])
    message = (
        "^Evaluation texts must have an n-gram of 13 words, one at least. "
        "Received: 2000 texts, all of them shorter. Name other texts or tasks, "
        "or lower decontaminate.ngram.$"
    )
    with pytest.raises(ValueError, match=message):
        decontaminate_stage(settings, inputs, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    evaluation = EvaluationTexts(["1", "2"], ["short", "word " * 13])
    stage = decontaminate_stage(
        settings, inputs, tmp_path / "out", evaluation=evaluation
    )
    assert stage.totals["ngrams"]["short_texts"] == 1


# === Decontaminate part ===


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
