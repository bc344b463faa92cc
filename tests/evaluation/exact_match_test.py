import pytest

from keras_gpt3.evaluation.metrics.text_score import plain_exact_match
from keras_gpt3.evaluation.metrics.text_score import squad_exact_match


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
