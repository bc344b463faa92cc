import json

import pytest

from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.decontaminate.decontamination import EvaluationTexts
from keras_gpt3.corpus.decontaminate.decontamination import evaluation_index
from keras_gpt3.corpus.decontaminate.decontamination import (
    read_evaluation_texts,
)
from keras_gpt3.data.ngrams import normalized_words


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


def test_without_texts_there_is_nothing_to_do():
    with pytest.raises(ValueError, match="neither decontaminate.texts nor"):
        read_evaluation_texts(DecontaminateSection())


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
