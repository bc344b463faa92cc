import re

import pytest

from keras_gpt3.evaluation.metrics.text_score import normalize_answer
from keras_gpt3.evaluation.metrics.text_score import squad_f1


@pytest.mark.parametrize(
    ("text", "normal"),
    [
        (" The  Beatles.\n", "beatles"),
        ("An apple a day", "apple day"),
        ("U.S.A.", "usa"),
        ("theory", "theory"),
        ("10,000", "10000"),
        ("the-a-an", "theaan"),
        ("Æsop’s", "æsop’s"),
        ("...", ""),
    ],
)
def test_an_answer_is_normalized_as_squad_does(text, normal):
    assert normalize_answer(text) == normal


@pytest.mark.parametrize(
    ("prediction", "answer", "f1"),
    [
        ("The red fox.", "a red fox", 1.0),
        ("cat", "dog", 0.0),
        # P = 1 / 2, R = 1.
        ("red fox", "fox", 2 / 3),
        # "to" counts twice: 2 common words of 3 and 4.
        ("to to be", "to do to no", 2 * (2 / 3) * (2 / 4) / (2 / 3 + 2 / 4)),
        # "to" counts once: P = 1 / 2, R = 1 / 2.
        ("to to", "to be", 0.5),
        ("the", "fox", 0.0),
        ("the", "a", 1.0),
    ],
)
def test_f1_is_that_worked_out_by_hand(prediction, answer, f1):
    assert squad_f1(prediction, (answer,)) == pytest.approx(f1, abs=1e-12)
    assert squad_f1(answer, (prediction,)) == pytest.approx(f1, abs=1e-12)


def test_the_best_accepted_answer_counts():
    assert squad_f1("red fox", ("wolf", "fox", "red dog fox")) == 0.8


@pytest.mark.parametrize("answers", [(), ("",)])
def test_without_an_answer_only_nothing_is_right(answers):
    assert squad_f1(" \n", answers) == 1.0
    assert squad_f1("fox", answers) == 0.0


def naive_f1(prediction, answer):
    """Precision and recall by crossing out words one by one."""
    left = re.sub(r"[^a-z ]", "", answer.lower()).split()
    predicted = re.sub(r"[^a-z ]", "", prediction.lower()).split()
    total, common = len(left), 0
    for word in predicted:
        if word in left:
            left.remove(word)
            common += 1
    if not common:
        return 0.0
    precision, recall = common / len(predicted), common / total
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("prediction", ["x y x z", "z.", "y y, y", "W x"])
@pytest.mark.parametrize("answer", ["x x y", "Y z w z", "x", "y, y!"])
def test_f1_equals_crossing_out_words(prediction, answer):
    expected = pytest.approx(naive_f1(prediction, answer), abs=1e-12)
    assert squad_f1(prediction, (answer,)) == expected
