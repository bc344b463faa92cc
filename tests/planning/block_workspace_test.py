import pytest

from keras_gpt3.planning.block_workspace import block_workspace_bytes
from keras_gpt3.planning.block_workspace import largest_workspace
from keras_gpt3.planning.pass_sizes import PassSizes
from tests.planning.toy_config import TOY

# The feed-forward layer is most of a block.
WIDE = TOY | {"intermediate_dim": 128}
# One head of one number: scores are most of a block.
MANY_SCORES = TOY | {
    "num_heads": 1,
    "hidden_dim": 1,
    "intermediate_dim": 1,
    "max_sequence_length": 4096,
}


def workspace(config, window, dtype="float32", rows=1):
    return block_workspace_bytes(PassSizes.of(config, dtype, rows), window)


def test_feed_forward_arrays_are_counted_by_hand():
    # 16 tokens, 8 and 3 times 128 numbers each.
    assert workspace(WIDE, None) == 4 * 16 * (8 + 3 * 128)
    assert workspace(WIDE, None, "bfloat16") == 2 * 16 * (8 + 3 * 128)


def test_a_mixed_policy_adds_copies_of_a_kernel_and_of_its_gradient():
    half = workspace(WIDE, None, "bfloat16")
    assert workspace(WIDE, None, "mixed_bfloat16") == half + 2 * 2 * 8 * 128


def test_scores_of_a_long_row_are_counted_by_hand():
    # The last block, of 256 queries: three arrays, whatever came before.
    scores = 256 * 4096
    arrays = 4096 * (8 - 2)
    assert workspace(MANY_SCORES, None) == 4 * (3 * scores + arrays)


def test_a_banded_layer_needs_less_for_long_rows():
    assert workspace(MANY_SCORES, 256) < workspace(MANY_SCORES, None) / 4


@pytest.mark.parametrize("window", [None, 4])
def test_rows_count_in_proportion(window):
    assert workspace(TOY, window, rows=3) == 3 * workspace(TOY, window)


def test_the_layer_that_takes_most_counts():
    sizes = PassSizes.of(MANY_SCORES, "float32", rows=1)
    assert largest_workspace(sizes) == workspace(MANY_SCORES, None)
