import inspect

import pytest

from keras_gpt3 import GPT3Backbone
from keras_gpt3.ops import blocked_attention as ops_module
from keras_gpt3.planning.pass_sizes import BANDED_BLOCK
from keras_gpt3.planning.pass_sizes import DENSE_BLOCK
from keras_gpt3.planning.pass_sizes import attention_windows
from keras_gpt3.planning.pass_sizes import key_ranges
from keras_gpt3.planning.pass_sizes import largest_block
from keras_gpt3.planning.pass_sizes import num_scores


def test_blocks_have_the_sizes_of_the_operation():
    assert DENSE_BLOCK == ops_module.DENSE_BLOCK
    assert BANDED_BLOCK == ops_module.BANDED_BLOCK


@pytest.mark.parametrize("window", [None, 1, 100, 256, 300])
@pytest.mark.parametrize("length", [1, 255, 256, 257, 1000])
def test_queries_meet_the_keys_that_the_operation_gives_them(length, window):
    # The operation leaves a window of the whole length to dense attention.
    dense = window is None or window >= length
    bounds = ops_module.block_bounds(length, None if dense else window)
    expected = [(end - start, end - first) for first, start, end in bounds]
    assert list(key_ranges(length, window)) == expected


def test_scores_are_counted_by_hand():
    # 256 x 256, 256 x 512 and 88 x 600.
    assert num_scores(600) == 65536 + 131072 + 52800
    assert largest_block(600) == 131072
    # Blocks of 128 queries reach back 9 keys before their first.
    assert key_ranges(300, 10) == ((128, 128), (128, 137), (44, 53))
    assert largest_block(300, 10) == 128 * 137


def test_the_pattern_repeats_over_the_depth():
    config = {
        "num_layers": 5,
        "attention_pattern": ["banded", "dense"],
        "attention_window": 7,
    }
    assert attention_windows(config) == (7, None, 7, None, 7)


def test_what_a_config_leaves_out_is_the_backbone_s_default():
    defaults = inspect.signature(GPT3Backbone).parameters
    given = {
        name: defaults[name].default
        for name in ("attention_pattern", "attention_window")
    }
    bare = {"num_layers": 4}
    assert attention_windows(bare) == attention_windows(bare | given)
