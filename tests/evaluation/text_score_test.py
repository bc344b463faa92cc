import pytest

from keras_gpt3.evaluation.metrics.text_score import text_score
from keras_gpt3.evaluation.task_definitions.task_examples import Example

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
