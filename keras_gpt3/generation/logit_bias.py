"""Biases on the scores of single tokens."""

import numbers

import numpy as np

from keras_gpt3.echoed_value import echoed

# Far above any score, and far below what removes one in the filters.
LARGEST = 1e9


def check_logit_bias(logit_bias):
    """Raises unless a bias maps token ids to numbers."""
    if logit_bias is None:
        return None
    if not isinstance(logit_bias, dict):
        raise ValueError(
            "logit_bias must be a dict of token ids to numbers. Received: "
            f"logit_bias={echoed(logit_bias)}. Pass {{50256: -100.0}}, say."
        )
    for token_id, bias in logit_bias.items():
        if not _is(token_id, numbers.Integral) or token_id < 0:
            raise ValueError(
                "The ids of logit_bias must be integers of at least 0. "
                f"Received: id={echoed(token_id)}. Take ids from the tokenizer."
            )
        if not _is(bias, numbers.Real) or not abs(bias) <= LARGEST:
            raise ValueError(
                "The biases of logit_bias must be numbers from -1e9 to 1e9. "
                f"Received: bias={echoed(bias)}. Use -1e9 to rule a token out."
            )
    return {int(i): float(bias) for i, bias in logit_bias.items()}


def _is(x, kind):
    return isinstance(x, kind) and not isinstance(x, bool)


def logit_bias_vector(logit_bias, vocabulary_size):
    """The biases as a vector to add to the scores."""
    vector = np.zeros(vocabulary_size, "float32")
    for token_id, bias in logit_bias.items():
        if token_id >= vocabulary_size:
            raise ValueError(
                "The ids of logit_bias must be below vocabulary_size="
                f"{vocabulary_size}. Received: id={token_id}. Take ids from "
                "the model's own tokenizer."
            )
        vector[token_id] = bias
    return vector
