import json
import random
import re

import pytest

from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.decontaminate.decontamination import EvaluationTexts
from keras_gpt3.corpus.decontaminate.decontamination import common_ngrams
from keras_gpt3.corpus.decontaminate.decontamination import cut
from keras_gpt3.corpus.decontaminate.decontamination import evaluation_index
from keras_gpt3.corpus.decontaminate.decontamination import find_ngrams
from keras_gpt3.corpus.decontaminate.decontamination import (
    read_evaluation_texts,
)
from keras_gpt3.data.ngrams import NgramIndex
from keras_gpt3.data.ngrams import ngrams
from keras_gpt3.data.ngrams import normalized_words

# === Decontamination ===


WORDS = "a b c d e f -- ... É Ünï".split()


def oracle(text, places, window, min_characters):
    """Character by character: is it in reach of a place?"""
    kept = [
        not any(start - window <= i < end + window for start, end in places)
        for i in range(len(text))
    ]
    pieces = []
    for i, is_kept in enumerate(kept):
        if is_kept and (i == 0 or not kept[i - 1]):
            pieces.append("")
        if is_kept:
            pieces[-1] += text[i]
    return len(pieces), [p for p in pieces if len(p) >= min_characters]


@pytest.mark.parametrize("seed", range(20))
def test_cuts_equal_those_of_a_loop_over_characters(seed):
    rng = random.Random(seed)
    text = "".join(rng.choices("abc ", k=rng.randint(1, 300)))
    starts = sorted(rng.choices(range(len(text)), k=rng.randint(1, 6)))
    places = [
        (start, min(len(text), start + rng.randint(1, 30))) for start in starts
    ]
    options = {"window": rng.randint(0, 20), "min_characters": 5}
    found = cut(text, places, max_pieces=100, **options)
    assert found == oracle(text, places, **options)


def test_a_text_without_a_match_stays_whole_however_short():
    assert cut("x" * 30, []) == (1, ["x" * 30])


@pytest.mark.parametrize(
    ("places", "kept"),
    [
        ([(0, 50)], [(250, 2000)]),
        ([(1950, 2000)], [(0, 1750)]),
        ([(1000, 1050)], [(0, 800), (1250, 2000)]),
        # The sides touch, or overlap: one cut.
        ([(500, 600), (1000, 1100)], [(0, 300), (1300, 2000)]),
        ([(500, 600), (550, 700)], [(0, 300), (900, 2000)]),
        # A long place holds a short one that begins later.
        ([(500, 900), (510, 600)], [(0, 300), (1100, 2000)]),
        # 200 characters stay, 199 do not.
        ([(400, 410)], [(0, 200), (610, 2000)]),
        ([(399, 409)], [(609, 2000)]),
    ],
)
def test_200_characters_go_on_either_side(places, kept):
    text = "".join(chr(0x4E00 + i) for i in range(2000))
    _, pieces = cut(text, places)
    assert pieces == [text[start:end] for start, end in kept]


@pytest.mark.parametrize(("matches", "left"), [(9, 10), (10, 0)])
def test_a_document_of_more_than_ten_pieces_is_dropped(matches, left):
    text = "x" * 1000 * (matches + 1)
    places = [(1000 * i, 1000 * i + 10) for i in range(1, matches + 1)]
    num_pieces, pieces = cut(text, places)
    assert (num_pieces, len(pieces)) == (matches + 1, left)


def test_short_pieces_count_among_the_ten():
    # 411 apart: single characters between the cuts.
    places = [(1000 + 411 * i, 1010 + 411 * i) for i in range(10)]
    num_pieces, pieces = cut("x" * 10_000, places)
    assert (num_pieces, pieces) == (11, [])


@pytest.mark.parametrize("seed", range(10))
def test_n_grams_are_found_where_a_search_in_all_words_finds_them(seed):
    rng = random.Random(seed)
    evaluated = " ".join(rng.choices(WORDS, k=40))
    text = "\n".join(rng.choices([w.upper() for w in WORDS], k=400))
    known = set(ngrams(normalized_words(evaluated), 3))
    places, numbers = find_ngrams(
        text, NgramIndex([normalized_words(evaluated)], 3)
    )
    assert places
    found = [tuple(normalized_words(text[i:j])) for i, j in places]
    assert found == [
        run for run in ngrams(normalized_words(text), 3) if run in known
    ]
    # A number for each n-gram, and each for one.
    assert len(set(zip(found, numbers, strict=True))) == len(set(numbers))


def test_only_n_grams_in_more_documents_than_allowed_are_common():
    assert common_ngrams({3: 10, 4: 11, 5: 1}, 10) == {4}


# === Evaluation texts ===


def test_files_and_tasks_are_read_and_named(tmp_path):
    path = tmp_path / "riddles.jsonl"
    path.write_text(json.dumps({"text": "What has roots?"}) + "\n")
    found = read_evaluation_texts(
        DecontaminateSection(texts=[str(path)], tasks=["two_digit_addition"])
    )
    assert found.texts[0] == "What has roots?"
    assert found.names[0] == f"{path}, 0"
    # The right answer goes with the question.
    assert found.names[2000] == "two_digit_addition, 1999"
    assert "A: " in found.texts[1] and found.texts[1][-1].isdigit()


def test_development_sets_are_read_unless_they_are_left_out(tmp_path):
    folder = tmp_path / "lambada"
    folder.mkdir()
    for split in ("test", "validation"):
        text = json.dumps({"text": f"It ends in {split}"})
        (folder / f"{split}.jsonl").write_text(text)
    found = {
        len(splits): read_evaluation_texts(
            DecontaminateSection(
                tasks=["lambada"], splits=splits, data=str(tmp_path)
            )
        ).names
        for splits in (["test"], ["test", "dev"])
    }
    assert found == {
        1: ["lambada, 0"],
        2: ["lambada, 0", "lambada, dev, 0"],
    }
    assert DecontaminateSection().splits == ["test", "dev"]


def test_without_texts_there_is_nothing_to_do():
    message = (
        "Decontamination must have evaluation texts. Received: neither "
        "decontaminate.texts nor decontaminate.tasks. Name files or tasks, or "
        "leave the stage out."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        read_evaluation_texts(DecontaminateSection())


def test_tasks_without_the_splits_raise():
    section = DecontaminateSection(tasks=["arithmetic"], splits=["dev"])
    message = "splits=['dev'], of which these tasks have none. Add test."
    with pytest.raises(ValueError, match=re.escape(message)):
        read_evaluation_texts(section)


def test_a_file_that_is_missing_raises(tmp_path):
    settings = DecontaminateSection(texts=[str(tmp_path / "absent.jsonl")])
    with pytest.raises(FileNotFoundError, match="absent.jsonl"):
        read_evaluation_texts(settings)


def test_what_no_file_can_hold_is_spelled_out(tmp_path):
    path = tmp_path / "riddles.jsonl"
    path.write_text('{"text": "half a pair \\ud800"}\n')
    found = read_evaluation_texts(DecontaminateSection(texts=[str(path)]))
    found.write(tmp_path / "evaluation.json")
    assert EvaluationTexts.read(tmp_path / "evaluation.json") == found


def test_texts_without_an_n_gram_are_counted():
    texts = EvaluationTexts(["1", "2", "3"], ["one, two three", "one two", ""])
    assert [texts.num_shorter(n) for n in (1, 2, 3, 4)] == [1, 1, 2, 3]


def test_the_index_of_a_file_is_that_of_its_texts(tmp_path):
    path = str(tmp_path / "evaluation.json")
    for texts in (["To be, or not", "not to be"], ["something else"]):
        evaluation = EvaluationTexts([f"{i}" for i in range(len(texts))], texts)
        evaluation.write(path)
        # The digest tells a process that the file has changed.
        index, names = evaluation_index(path, 2, evaluation.digest)
        assert names == evaluation.names
        for number, text in enumerate(texts):
            _, found = index.find(normalized_words(text))
            assert number in index.texts_of(found)
