import math
import re

import keras
import pytest

from keras_gpt3.converters.checkpoint_family import complete_arguments
from keras_gpt3.converters.weight_shapes import weight_shapes
from keras_gpt3.parallel.layout_rules import LAYOUT_RULES
from keras_gpt3.parallel.layout_rules import MODEL
from keras_gpt3.parallel.layout_rules import axis_parts
from keras_gpt3.parallel.layout_rules import layout_map
from keras_gpt3.parallel.layout_rules import number_of_parts
from keras_gpt3.parallel.layout_rules import padded_rows
from keras_gpt3.preset_loader import load_shipped_preset
from tests.parallel.meshes import device_mesh
from tests.parallel.meshes import distributed

# === Layout rules ===


@pytest.mark.parametrize(
    ("vocabulary_size", "devices", "rows"),
    [
        (50257, 1, 50257),
        (50257, 2, 50304),
        (50257, 8, 50304),
        (50257, 3, 50304),
        (50257, 5, 50560),
        (50257, 29, 50257),
        (64, 4, 64),
        (61, 4, 128),
    ],
)
def test_a_table_grows_to_rows_that_the_devices_divide(
    vocabulary_size, devices, rows
):
    assert padded_rows(vocabulary_size, devices) == rows
    assert rows % devices == 0


def test_every_kernel_is_split_over_the_model_axis_by_one_rule():
    arguments = complete_arguments(
        load_shipped_preset("gpt3_small_en")["backbone"]
    )
    for path, shape in weight_shapes(arguments).items():
        rules = [
            rule
            for pattern, rule in LAYOUT_RULES.items()
            if re.fullmatch(pattern, path)
        ]
        assert len(rules) <= 1, path
        if len(shape) == 2 and not path.startswith("position"):
            assert MODEL in rules[0], path
        for rule in rules:
            assert len(rule) == len(shape), path


# === Current layouts ===


jax_only = pytest.mark.backend("jax", reason="others distribute nothing")


def test_without_a_distribution_there_is_no_map_and_no_part():
    assert layout_map() is None
    assert number_of_parts(None, "token_embedding/embeddings") == 1


@jax_only
def test_data_parallelism_alone_has_no_map():
    mesh = device_mesh((2,), ("batch",))
    with keras.distribution.DataParallel(device_mesh=mesh).scope():
        assert layout_map() is None


@jax_only
@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("token_embedding/embeddings", (4, 2)),
        ("position_embedding/table/embeddings", (1, 2)),
        ("decoder_block_0/query_key_value/bias", (4,)),
        ("final_norm/gamma", (1, 1)),
    ],
)
def test_an_axis_has_as_many_parts_as_its_axis_of_the_mesh(path, parts):
    with distributed((2, 4), shard_weights=True):
        layouts = layout_map()
    assert axis_parts(layouts, path) == parts
    assert number_of_parts(layouts, path) == math.prod(parts)
