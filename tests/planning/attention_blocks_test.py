import inspect

from keras_gpt3 import GPT3Backbone
from keras_gpt3.layers.block_pattern import attention_windows
from keras_gpt3.planning.parameter_count import complete_config
from keras_gpt3.planning.pass_sizes import key_ranges
from keras_gpt3.planning.pass_sizes import largest_block
from keras_gpt3.planning.pass_sizes import num_scores
from tests.planning.toy_config import TOY


def test_scores_are_counted_by_hand():
    # 256 x 256, 256 x 512 and 88 x 600.
    assert num_scores(600) == 65536 + 131072 + 52800
    assert largest_block(600) == 131072
    # Blocks of 128 queries reach back 9 keys before their first.
    assert key_ranges(300, 10) == ((128, 128), (128, 137), (44, 53))
    assert largest_block(300, 10) == 128 * 137
    # The operation leaves a window of the whole length to dense attention.
    assert key_ranges(300, 300) == key_ranges(300) == ((256, 256), (44, 300))


def test_the_pattern_repeats_over_the_depth():
    config = {
        "num_layers": 5,
        "attention_pattern": ["banded", "dense"],
        "attention_window": 7,
    }
    assert attention_windows(config) == (7, None, 7, None, 7)


def test_what_a_config_leaves_out_is_the_backbone_s_default():
    parameters = inspect.signature(GPT3Backbone).parameters.values()
    defaults = {
        p.name: list(p.default) if isinstance(p.default, tuple) else p.default
        for p in parameters
        if p.name not in ("dtype", "kwargs")
    }
    sizes = {
        key: TOY[key]
        for key in TOY
        if key not in ("num_heads", "attention_pattern", "attention_window")
    }
    assert complete_config(sizes) == defaults | sizes
