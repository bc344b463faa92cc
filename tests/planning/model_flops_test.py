import re

import pytest

from keras_gpt3.planning.training_job import model_flops_per_token
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

# Table D.1: total training compute, for 300 billion tokens.
TABLE_D1 = {
    "gpt3_small_en": 2.25e20,
    "gpt3_medium_en": 6.41e20,
    "gpt3_large_en": 1.37e21,
    "gpt3_extra_large_en": 2.38e21,
    "gpt3_2.7b_en": 4.77e21,
    "gpt3_6.7b_en": 1.20e22,
    "gpt3_13b_en": 2.31e22,
    "gpt3_175b_en": 3.14e23,
}


def slow_flops(config, length):
    """Multiplications and additions of a whole sequence, one by one."""
    width, inner = config["hidden_dim"], config["intermediate_dim"]
    shapes = [(width, 3 * width), (width, width), (width, inner)]
    shapes += [(inner, width)]
    products = 0
    for layer in range(config["num_layers"]):
        pattern = config["attention_pattern"]
        banded = pattern[layer % len(pattern)] == "banded"
        for query in range(length):
            products += sum(rows * columns for rows, columns in shapes)
            for key in range(query + 1):
                if not banded or query - key < config["attention_window"]:
                    products += width  # Of the query with the key.
                    products += width  # Of the weight with the value.
    products += length * width * config["vocabulary_size"]
    # An addition each; forward, and by inputs and by weights backward.
    return 2 * 3 * products


@pytest.mark.parametrize("window", [1, 3, 7, 8, 100])
@pytest.mark.parametrize("length", [1, 2, 7, None])
@pytest.mark.parametrize(
    "pattern", [("dense",), ("banded",), ("dense", "banded"), ("banded",) * 2]
)
def test_it_counts_what_is_multiplied(pattern, length, window):
    config = TOY | {
        "num_layers": 3,
        "max_sequence_length": 8,
        "attention_pattern": pattern,
        "attention_window": window,
    }
    tokens = 8 if length is None else length
    received = model_flops_per_token(config, length)
    assert received * tokens == pytest.approx(slow_flops(config, tokens))


@pytest.mark.parametrize("preset, total", TABLE_D1.items())
def test_a_size_of_the_paper_needs_what_table_d_1_says_and_its_attention(
    preset, total
):
    config = load_shipped_preset(preset)["backbone"]
    # The paper leaves out attention, and counts weights without a product:
    # tables of positions, biases and norms.
    short = model_flops_per_token(config, length=1)
    assert short == pytest.approx(total / 300e9, rel=0.015)
    whole = model_flops_per_token(config)
    share = (whole - short) / short
    assert 0 < share < 0.1


def test_the_175b_model_needs_about_1e12_flops_a_token():
    config = load_shipped_preset("gpt3_175b_en")["backbone"]
    assert model_flops_per_token(config) == pytest.approx(1.05e12, rel=0.015)


def test_a_length_beyond_the_context_raises():
    config = TOY | {"max_sequence_length": 8}
    message = (
        "length must be at most max_sequence_length=8. Received: length=9. "
        "Override max_sequence_length to train on longer sequences."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model_flops_per_token(config, 9)
