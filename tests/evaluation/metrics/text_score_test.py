import re

import pytest

from keras_gpt3.evaluation.metrics.text_score import normalize_answer
from keras_gpt3.evaluation.metrics.text_score import plain_exact_match
from keras_gpt3.evaluation.metrics.text_score import squad_exact_match
from keras_gpt3.evaluation.metrics.text_score import squad_f1
from keras_gpt3.evaluation.metrics.text_score import text_score
from keras_gpt3.evaluation.task_definitions.task_examples import Example

# === Text score ===


PARIS = Example("q", (" Paris", " Lutetia"))


@pytest.mark.parametrize(
    ("metric", "text", "score"),
    [
        ("exact_match", " Paris\n", 1.0),
        ("exact_match", " paris.", 0.0),
        ("squad_exact_match", " the paris.", 1.0),
        ("accuracy", " Lutetia!", 1.0),
        ("accuracy", " Rome", 0.0),
        # P = 1 / 2, R = 1.
        ("f1", " Paris Texas", 2 / 3),
        # References are who answered what, of which there is none here.
        ("coqa_f1", " Paris", 0.0),
        ("bleu", " Paris", None),
    ],
)
def test_a_text_is_judged_as_the_metric_says(metric, text, score):
    assert text_score(metric, text, PARIS) == pytest.approx(score)


@pytest.mark.parametrize(
    ("text", "holds", "score"),
    [
        (" Eva", True, 1.0),
        (" Eva", False, 0.0),
        (" Ann", True, 0.0),
        (" Ann", False, 1.0),
    ],
)
def test_what_does_not_hold_must_not_be_given(text, holds, score):
    example = Example("q", (" eva",), holds=holds)
    assert text_score("accuracy", text, example) == score


@pytest.mark.parametrize(
    ("metric", "score"),
    [
        ("coqa_f1", 0.5),
        ("coqa_exact_match", 0.5),
        ("quac_f1", 0.5),
        ("drop_f1", 1.0),
        ("drop_exact_match", 1.0),
    ],
)
def test_metrics_of_several_people_read_the_references(metric, score):
    example = Example("q", (" Bern",), references=("Paris", "Rome"))
    assert text_score(metric, " Paris", example) == score


# === Exact match ===


@pytest.mark.parametrize(
    ("prediction", "answers", "plain", "squad"),
    [
        (" 143", (" 143",), 1.0, 1.0),
        ("143\n", (" 143",), 1.0, 1.0),
        ("143.", (" 143",), 0.0, 1.0),
        # A sign is punctuation to SQuAD, so that arithmetic needs the other.
        ("-3", ("3",), 0.0, 1.0),
        ("The Beatles", ("beatles",), 0.0, 1.0),
        ("rome", ("paris", "Rome"), 0.0, 1.0),
        ("Rome", ("paris", "Rome"), 1.0, 1.0),
        ("Rome in Italy", ("Rome",), 0.0, 0.0),
        ("", ("Rome",), 0.0, 0.0),
    ],
)
def test_an_answer_matches_plainly_or_normalized(
    prediction, answers, plain, squad
):
    assert plain_exact_match(prediction, answers) == plain
    assert squad_exact_match(prediction, answers) == squad


def test_where_nothing_is_accepted_nothing_is_right():
    assert squad_exact_match("the", ()) == 1.0
    assert squad_exact_match("fox", ()) == 0.0
    assert plain_exact_match("", ()) == 0.0


# === Squad f1 ===


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
