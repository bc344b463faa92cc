import re

import numpy as np
import pytest

from keras_gpt3.planning import count_parameters

CONFIG = {
    "vocabulary_size": 11,
    "num_layers": 3,
    "num_heads": 2,
    "hidden_dim": 4,
    "intermediate_dim": 10,
    "max_sequence_length": 7,
}


def allocate(vocabulary_size, num_layers, hidden_dim, intermediate_dim, length):
    """The weights themselves, by part: what the closed form must count."""
    width, inner = hidden_dim, intermediate_dim
    parts = {
        "token_embedding": [np.zeros((vocabulary_size, width))],
        "position_embedding": [np.zeros((length, width))],
        "attention": [],
        "feed_forward": [],
        "layer_norms": [np.zeros(width), np.zeros(width)],
    }
    for _ in range(num_layers):
        for _ in ("query", "key", "value", "output"):
            parts["attention"] += [np.zeros((width, width)), np.zeros(width)]
        for rows, columns in ((width, inner), (inner, width)):
            kernel, bias = np.zeros((rows, columns)), np.zeros(columns)
            parts["feed_forward"] += [kernel, bias]
        for _ in ("before attention", "before feed-forward"):
            parts["layer_norms"] += [np.zeros(width), np.zeros(width)]
    return {part: sum(w.size for w in ws) for part, ws in parts.items()}


@pytest.mark.parametrize("num_layers", [1, 3])
@pytest.mark.parametrize("intermediate_dim", [10, 16])
def test_closed_form_equals_allocated_weights(num_layers, intermediate_dim):
    config = CONFIG | {
        "num_layers": num_layers,
        "intermediate_dim": intermediate_dim,
    }
    expected = allocate(11, num_layers, 4, intermediate_dim, 7)
    assert count_parameters(config) == expected


def test_counts_do_not_overflow_with_numpy_integers():
    sizes = {key: np.int32(value) for key, value in CONFIG.items()}
    sizes["hidden_dim"] = np.int32(12288)
    assert count_parameters(sizes) == count_parameters(
        CONFIG | {"hidden_dim": 12288}
    )
    wide = count_parameters(sizes | {"num_layers": np.int32(96)})
    assert wide["attention"] == 96 * 4 * (12288 * 12288 + 12288)


@pytest.mark.parametrize("value", [0, -1, 2.0, "12", None])
@pytest.mark.parametrize("key", ["hidden_dim", "max_sequence_length"])
def test_a_size_that_is_no_positive_integer_raises(key, value):
    message = (
        f"{key} must be a positive integer. Received: {key}={value!r}. "
        "Pass 1 or more, without quotes."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        count_parameters(CONFIG | {key: value})


def test_a_config_without_a_size_is_told_all_of_them():
    without = {k: v for k, v in CONFIG.items() if k != "num_layers"}
    message = (
        "num_layers must be a positive integer. Received: num_layers=None. "
        "Give the config all of vocabulary_size, num_layers, hidden_dim, "
        "intermediate_dim, max_sequence_length."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        count_parameters(without)
