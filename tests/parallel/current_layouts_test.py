import math

import keras
import pytest

from keras_gpt3.parallel.layout_rules import axis_parts
from keras_gpt3.parallel.layout_rules import layout_map
from keras_gpt3.parallel.layout_rules import number_of_parts
from tests.parallel.meshes import device_mesh
from tests.parallel.meshes import distributed

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
