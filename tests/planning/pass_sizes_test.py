import re

import pytest

from keras_gpt3.planning.pass_sizes import PassSizes
from tests.planning.toy_config import TOY


def test_sizes_come_from_the_config_and_the_arguments_of_a_step():
    assert PassSizes.of(TOY, "mixed_bfloat16", 3, 10, 2) == PassSizes(
        rows=3,
        length=10,
        hidden_dim=8,
        intermediate_dim=32,
        num_heads=2,
        vocabulary_size=10,
        windows=(None, 4, None, 4),
        recomputed=(True, False, True, False),
        has_dropout=False,
        activation_bytes=2,
        weight_bytes=4,
    )


def test_numbers_that_follow_are_counted():
    sizes = PassSizes.of(TOY, "mixed_bfloat16", 3, 10)
    assert sizes.tokens == 30
    assert sizes.table_weights == 80
    # 8 x 24 and 8 x 8 of attention, twice 8 x 32 of the feed-forward layers.
    assert sizes.kernel_weights == 192 + 64 + 256 + 256


@pytest.mark.parametrize(
    ("dtype", "mixed"),
    [("float32", False), ("bfloat16", False), ("mixed_float16", True)],
)
def test_mixed_policies_compute_in_another_dtype_than_they_store(dtype, mixed):
    assert PassSizes.of(TOY, dtype, 1).is_mixed is mixed


def test_the_whole_context_is_the_default_length():
    assert PassSizes.of(TOY, "float32", 1).length == 16


def test_dropout_is_noticed():
    assert PassSizes.of(TOY | {"dropout": 0.1}, "float32", 1).has_dropout


def test_a_row_longer_than_the_context_raises():
    message = (
        "length must be at most max_sequence_length=16. Received: length=17. "
        "Override max_sequence_length to train on longer sequences."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        PassSizes.of(TOY, "float32", 1, length=17)


def test_a_config_that_lacks_a_size_raises():
    with pytest.raises(ValueError, match="hidden_dim must be a positive"):
        PassSizes.of({"vocabulary_size": 5, "num_layers": 1}, "float32", 1)
