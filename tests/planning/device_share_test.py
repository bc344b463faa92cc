import re

import pytest

from keras_gpt3.converters.checkpoint_family import complete_arguments
from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.parallel.layout_rules import LAYOUT_RULES
from keras_gpt3.planning import count_parameters
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.device_share import WeightShards
from keras_gpt3.planning.device_share import data_axis_divides
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets
from tests.planning.toy_config import TOY

# === Device share ===


MESH = Mesh(data=4, model=2)
OVER_MODEL = WeightShards.of(TOY, 2)
OVER_BOTH = WeightShards.of(TOY, 2, 4)


def test_the_model_axis_shares_all_there_is():
    share = DeviceShare.of(TOY, MESH)
    assert share.held == share.used == share.slots == OVER_MODEL
    assert not share.is_fetched


def test_the_data_axis_shares_the_optimizer_s_state():
    share = DeviceShare.of(TOY, MESH, shard_optimizer=True)
    assert share.held == share.used == OVER_MODEL
    assert share.slots == OVER_BOTH
    assert not share.is_fetched


def test_or_the_weights_and_then_that_too():
    share = DeviceShare.of(TOY, MESH, shard_weights=True)
    assert share.held == share.slots == OVER_BOTH
    assert share.used == OVER_MODEL
    assert share.is_fetched
    both = DeviceShare.of(TOY, MESH, shard_optimizer=True, shard_weights=True)
    assert both == share


# === Weight shards ===


SWITCHED = {"embedding_dim": 4, "use_bias": False, "use_final_norm": False}


def test_a_device_alone_has_all_weights_counted_by_hand():
    shards = WeightShards.of(TOY)
    # Queries, keys and values; output; feed-forward; two norms.
    assert shards.block == (8 * 24 + 24) + 72 + (8 * 32 + 32) + 264 + 32
    assert shards.table == 80
    assert shards.rest == 16 * 8 + 16  # Positions and the final norm.
    assert shards.largest == 256
    assert shards.total == 4 * shards.block + 80 + 144


@pytest.mark.parametrize("config", [TOY, TOY | SWITCHED])
def test_all_weights_are_those_that_the_count_has(config):
    expected = sum(count_parameters(config).values())
    assert WeightShards.of(config).total == expected


@pytest.mark.parametrize("name", shipped_presets())
def test_every_preset_is_counted(name):
    config = load_shipped_preset(name)["backbone"]
    expected = sum(count_parameters(config).values())
    assert WeightShards.of(config).total == expected


def test_a_model_axis_shares_kernels_and_their_biases_by_hand():
    shards = WeightShards.of(TOY, model=2)
    # The biases of the layers by rows, and the norms, stay whole.
    assert shards.block == 108 + (32 + 8) + 144 + (128 + 8) + 32
    assert (shards.table, shards.rest) == (40, 144)


def test_a_data_axis_shares_kernels_and_tables_by_hand():
    shards = WeightShards.of(TOY, model=2, data=4)
    kernels = (96 + 32 + 128 + 128) // 4
    assert shards.block == kernels + (12 + 8 + 16 + 8) + 32
    assert (shards.table, shards.rest) == (10, 128 // 4 + 16)
    assert shards.largest == 32


def test_a_vocabulary_that_devices_do_not_divide_is_padded():
    config = TOY | {"vocabulary_size": 130, "num_heads": 4}
    assert WeightShards.of(config, model=2).table == 65 * 8
    assert WeightShards.of(config, model=4).table == 256 // 4 * 8


def test_projections_of_an_embedding_are_whole_on_every_device():
    shards = WeightShards.of(TOY | SWITCHED, model=2, data=2)
    # The embedding is narrower; positions are shared over the data axis.
    assert shards.table == 5 * 2
    assert shards.rest == 2 * 4 * 8 + 16 * 8 // 2


@pytest.mark.parametrize("pattern", LAYOUT_RULES)
def test_every_layout_is_that_of_a_weight(pattern):
    # One that meets none would share nothing, in silence.
    paths = weight_shapes(complete_arguments(TOY))
    assert any(re.search(pattern, path) for path in paths)


@pytest.mark.parametrize(
    ("data", "changes", "divides"),
    [(4, {}, True), (8, {}, True), (16, {}, False), (3, {}, False)]
    + [(8, {"embedding_dim": 4}, False), (4, {"embedding_dim": 4}, True)],
)
def test_a_data_axis_must_divide_the_widths(data, changes, divides):
    assert data_axis_divides(TOY | changes, data) is divides
