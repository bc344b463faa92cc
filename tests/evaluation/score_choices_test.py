import re

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot.score_examples import best_choice
from keras_gpt3.evaluation.few_shot.score_examples import score_choices

# One long choice, one likely by itself, one short.
SUMS = [-6.0, -3.5, -3.0]
TOKENS = [4, 2, 1]
ALONE = [-7.0, -1.5, -5.5]


@pytest.mark.parametrize(
    ("scoring", "scores", "best"),
    [
        # -6 / 4, -3.5 / 2, -3 / 1.
        ("per_token", [-1.5, -1.75, -3.0], 0),
        ("likelihood", SUMS, 2),
        # -6 + 7, -3.5 + 1.5, -3 + 5.5.
        ("answer_context", [1.0, -2.0, 2.5], 2),
        ("partial", SUMS, 2),
    ],
)
def test_each_rule_gives_the_scores_worked_out_by_hand(scoring, scores, best):
    found = score_choices(scoring, SUMS, TOKENS, ALONE)
    np.testing.assert_array_equal(found, scores)
    assert best_choice(found) == best


def test_the_answer_context_undoes_what_is_likely_anyway():
    # P = 0.2 and 0.1 after the question; 0.4 and 0.05 after "Answer: ".
    after = np.log([0.2, 0.1])
    alone = np.log([0.4, 0.05])
    scores = score_choices("answer_context", after, None, alone)
    np.testing.assert_allclose(np.exp(scores), [0.5, 2.0])
    assert best_choice(score_choices("likelihood", after)) == 0
    assert best_choice(scores) == 1


def test_the_first_of_equal_choices_is_taken():
    scores = score_choices("per_token", [-9.0, -2.0, -4.0], [3, 1, 2])
    assert best_choice(scores) == 1


def test_an_impossible_choice_is_never_taken():
    assert best_choice(score_choices("likelihood", [-np.inf, -99.0])) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ("per_tokens", SUMS),
            "scoring must be one of per_token, likelihood, answer_context, "
            "partial. Received: scoring='per_tokens'. Did you mean "
            "'per_token'?",
        ),
        (
            ("likelihood", [-1.0]),
            "There must be at least two choices to rank. Received: "
            "log_likelihoods=[-1.0]. Give each choice's.",
        ),
        (
            ("per_token", SUMS),
            "num_tokens must be 3 numbers. Received: num_tokens=None. Give one "
            "for each choice.",
        ),
        (
            ("per_token", SUMS, [1, 0, 1]),
            "A choice must have at least one token. Received: num_tokens="
            "[1, 0, 1]. Fill or remove the empty choice.",
        ),
        (
            ("answer_context", SUMS, TOKENS, [-1.0]),
            "answer_log_likelihoods must be 3 numbers. Received: "
            "answer_log_likelihoods=[-1.0]. Give one for each choice.",
        ),
        (
            ("likelihood", [-1.0, np.nan]),
            "log_likelihoods must be numbers. Received: log_likelihoods="
            "[-1.0, nan]. Look for NaN in the model's weights.",
        ),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        score_choices(*arguments)
