import inspect
import re

import pytest

from keras_gpt3 import GPT3Backbone
from keras_gpt3.layers.block_pattern import attention_windows
from keras_gpt3.planning import Links
from keras_gpt3.planning import recomputation_share
from keras_gpt3.planning.parameter_count import complete_config
from keras_gpt3.planning.pass_sizes import PassSizes
from keras_gpt3.planning.pass_sizes import key_ranges
from keras_gpt3.planning.pass_sizes import largest_block
from keras_gpt3.planning.pass_sizes import num_scores
from keras_gpt3.planning.training_job import SUSTAINED_FLOPS
from keras_gpt3.planning.training_job import TrainingJob
from keras_gpt3.planning.training_job import backward_flops
from keras_gpt3.planning.training_job import forward_flops
from keras_gpt3.planning.training_job import model_flops_per_token
from keras_gpt3.planning.training_job import petaflop_days
from keras_gpt3.planning.training_job import training_days
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets
from tests.planning.toy_config import TOY

# === Training job ===


def test_a_job_knows_its_tokens_and_their_arithmetic():
    job = TrainingJob(TOY, 6, 8, "bfloat16")
    assert job.tokens == 48
    assert job.flops_per_token == model_flops_per_token(TOY, 8)
    assert job.recomputation("block") == recomputation_share(TOY, "block", 8)
    sizes = job.sizes(2, "block")
    assert (sizes.tokens, sizes.activation_bytes) == (16, 2)
    assert sizes.recomputed == (True,) * 4


def test_what_is_not_said_is_assumed():
    job = TrainingJob(TOY, 6, 8, "bfloat16")
    assert job.sustained_flops == SUSTAINED_FLOPS == 125e12
    assert job.links == Links()
    told = TrainingJob(TOY, 6, 8, "bfloat16", 1e12, Links(4))
    assert told.sustained_flops == 1e12
    assert told.links.node_devices == 4


@pytest.mark.parametrize("value", [0, -1e12, float("nan")])
def test_a_rate_that_is_none_raises(value):
    message = (
        "sustained_flops must be above 0. Received: sustained_flops="
        f"{value!r}. Leave it out to use 1.25e+14 FLOP/s."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        TrainingJob(TOY, 6, 8, "bfloat16", value)


# === Attention blocks ===


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


# === Links ===


@pytest.mark.parametrize(
    ("span", "devices", "expected"),
    # Within a machine; across machines; a part of it that is not aligned; all
    # devices in one machine.
    [(8, 64, 3e11), (2, 64, 3e11), (16, 64, 25e9), (64, 64, 25e9)]
    + [(6, 66, 25e9), (6, 6, 3e11), (8, 8, 3e11)],
)
def test_an_axis_is_as_fast_as_its_slowest_link(span, devices, expected):
    assert Links().bandwidth(span, devices) == expected


@pytest.mark.parametrize(
    ("name", "usual"),
    [("node_bandwidth", "3e\\+11"), ("network_bandwidth", "2.5e\\+10")],
)
@pytest.mark.parametrize("value", [0, -1])
def test_a_speed_that_is_not_above_0_raises(name, usual, value):
    message = (
        f"^{name} must be above 0. Received: {name}={value}. Leave it out to "
        f"use {usual} bytes a second.$"
    )
    with pytest.raises(ValueError, match=message):
        Links(**{name: value})


@pytest.mark.parametrize("value", [0, -1, 7.5])
def test_what_is_no_number_of_devices_raises(value):
    message = (
        "^node_devices must be an integer of at least 1. Received: "
        f"node_devices={value}. Pass 1 or more.$"
    )
    with pytest.raises(ValueError, match=message):
        Links(node_devices=value)


@pytest.mark.parametrize("value", [-0.1, 1.1])
def test_an_overlap_that_is_no_share_raises(value):
    message = f"^overlap must be from 0 to 1. Received: overlap={value}. Use 0"
    with pytest.raises(ValueError, match=message):
        Links(overlap=value)


# === Model flops ===


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


# === Recomputation ===


LARGEST = load_shipped_preset("gpt3_175b_en")["backbone"]


@pytest.mark.parametrize(
    ("window", "scores"), [(None, 16 * 16), (4, 16 * 16), (16, 16 * 16)]
)
def test_a_block_s_products_are_counted_by_hand(window, scores):
    # 16 tokens are one block, banded or not.
    sizes = PassSizes.of(TOY, "float32", rows=3)
    projections = 3 * 16 * (8 * 24 + 8 * 8 + 2 * 8 * 32)
    products = 3 * scores * 8
    assert forward_flops(sizes, window) == 2 * (projections + 2 * products)
    assert backward_flops(sizes, window) == 2 * (2 * projections + 5 * products)


def test_a_banded_layer_costs_less_than_a_dense_one():
    sizes = PassSizes.of(LARGEST, "float32", rows=1)
    assert forward_flops(sizes, 256) < forward_flops(sizes, None)


def test_nothing_is_computed_again_without_rematerialization():
    assert recomputation_share(TOY, "none") == 0


def test_all_blocks_cost_a_third_of_a_step_where_the_head_is_small():
    assert recomputation_share(LARGEST, "block") == pytest.approx(1 / 3, 0.01)


def test_every_second_block_costs_half_of_that():
    share = recomputation_share(LARGEST, 2)
    # The dense blocks come first in the pattern, and cost a little more.
    assert share == pytest.approx(
        recomputation_share(LARGEST, "block") / 2, 0.1
    )
    assert share > recomputation_share(LARGEST, "block") / 2


def test_the_share_is_that_of_the_sums():
    sizes = PassSizes.of(TOY, "float32", rows=1, length=8)
    forward = 2 * (forward_flops(sizes, None) + forward_flops(sizes, 4))
    backward = 2 * (backward_flops(sizes, None) + backward_flops(sizes, 4))
    head = 3 * 2 * 8 * 8 * 10
    expected = forward / (forward + backward + head)
    assert recomputation_share(TOY, "block", length=8) == expected


def test_an_unknown_policy_raises():
    with pytest.raises(ValueError, match="rematerialization must be 'none'"):
        recomputation_share(TOY, "some")


# === Training days ===


def test_days_are_steps_of_some_seconds():
    # 864 steps of 200 s.
    assert training_days(864e6, 10**6, step_seconds=200) == 2


@pytest.mark.parametrize("name", shipped_presets())
def test_table_d1_is_reproduced_from_its_own_flops(name):
    table = load_shipped_preset(name)["table_d1"]
    printed = table["petaflop_s_days"]
    assert petaflop_days(table["flops"]) == pytest.approx(printed, rel=5e-3)
