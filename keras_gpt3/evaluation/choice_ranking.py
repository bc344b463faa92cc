"""Which choice a model takes, by its log-likelihoods (section 2.4)."""

import numpy as np

from keras_gpt3.evaluation.choice_argument import check_choice

_SCORINGS = ("per_token", "likelihood", "answer_context", "partial")


def choice_scores(
    scoring, log_likelihoods, num_tokens=None, answer_log_likelihoods=None
):
    """Scores the choices of an example, as the paper does.

    | `scoring` | score of a choice |
    |---|---|
    | `"per_token"` | log P(choice given context) / tokens of the choice |
    | `"likelihood"` | log P(choice given context) |
    | `"answer_context"` | the same - log P(choice given answer context) |
    | `"partial"` | log P(what follows given the context with the choice) |
    """
    check_choice("scoring", scoring, _SCORINGS)
    sums = _one_a_choice("log_likelihoods", log_likelihoods)
    if len(sums) < 2:
        raise ValueError(
            "There must be at least two choices to rank. Received: "
            f"log_likelihoods={list(log_likelihoods)}. Give each choice's."
        )
    if scoring == "per_token":
        return sums / _lengths(num_tokens, len(sums))
    if scoring == "answer_context":
        name = "answer_log_likelihoods"
        return sums - _one_a_choice(name, answer_log_likelihoods, len(sums))
    return sums


def best_choice(scores):
    """Returns the number of the highest score, the first of equal ones."""
    return int(np.argmax(scores))


def _one_a_choice(name, values, count=None):
    numbers = np.asarray([] if values is None else values, np.float64)
    if np.isnan(numbers).any():
        raise ValueError(
            f"{name} must be numbers. Received: {name}={numbers.tolist()}. "
            "Look for NaN in the model's weights."
        )
    if numbers.ndim != 1 or (count is not None and len(numbers) != count):
        wanted = "one number a choice" if count is None else f"{count} numbers"
        raise ValueError(
            f"{name} must be {wanted}. Received: {name}={values}. Give one "
            "for each choice."
        )
    return numbers


def _lengths(num_tokens, count):
    lengths = _one_a_choice("num_tokens", num_tokens, count)
    if (lengths < 1).any():
        raise ValueError(
            "A choice must have at least one token. Received: "
            f"num_tokens={list(num_tokens)}. Fill or remove the empty choice."
        )
    return lengths
