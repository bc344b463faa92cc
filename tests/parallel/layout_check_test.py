import keras
import pytest

from keras_gpt3.parallel.layout_map import distributed_rows
from tests.parallel.meshes import device_mesh
from tests.parallel.meshes import distributed
from tests.small_gpt3 import small_backbone

jax_only = pytest.mark.backend("jax", reason="others distribute nothing")


def test_without_a_distribution_there_is_nothing_to_divide():
    assert distributed_rows({"vocabulary_size": 61}) == 61


@jax_only
@pytest.mark.parametrize(
    ("shape", "rows"), [((2, 1), 61), ((2, 2), 128), ((1, 4), 128)]
)
def test_the_model_axis_divides_the_rows(shape, rows):
    with distributed(shape):
        backbone = small_backbone(num_heads=4)
    assert backbone.token_embedding.weights[0].shape == (rows, 16)


@jax_only
def test_data_parallelism_alone_splits_no_weight():
    distribution = keras.distribution.DataParallel(
        device_mesh=device_mesh((2,), ("batch",))
    )
    with distribution.scope():
        backbone = small_backbone()
    assert backbone.token_embedding.weights[0].shape == (61, 16)


@jax_only
def test_the_model_axis_must_divide_the_heads():
    message = (
        r"must divide num_heads and intermediate_dim. Received: "
        r"model_axis=4, num_heads=2, intermediate_dim=32. Use one of \[1, 2\]."
    )
    with distributed((1, 4)), pytest.raises(ValueError, match=message):
        small_backbone(num_heads=2)


@jax_only
@pytest.mark.parametrize("option", ["shard_weights", "shard_optimizer"])
def test_the_batch_axis_must_divide_what_it_splits(option):
    message = (
        r"Received: path='token_embedding/embeddings', shape=\(128, 18\), "
        r"parts=\(2, 4\). Use another mesh, or leave out shard_weights"
    )
    with (
        distributed((4, 2), **{option: True}),
        pytest.raises(ValueError, match=message),
    ):
        small_backbone(hidden_dim=18)


@jax_only
def test_a_layout_map_that_knows_no_weight():
    layouts = keras.distribution.LayoutMap(device_mesh((1, 2)))
    layouts["kernel"] = (None, "model")
    distribution = keras.distribution.ModelParallel(layout_map=layouts)
    message = (
        r"some of the weights. Received: layout_map=\['kernel'\]. Use GPT3Back"
        "bone.get_layout_map, or patterns that match all of a path such as "
    )
    with distribution.scope(), pytest.raises(ValueError, match=message):
        small_backbone()
