import re

import keras
import pytest

from keras_gpt3 import GPT3Backbone
from keras_gpt3.parallel.layout_map import distributed_rows
from tests.parallel.meshes import device_mesh
from tests.parallel.meshes import distributed
from tests.small_gpt3 import small_backbone

# === Layout map ===


jax_only = pytest.mark.backend("jax", reason="others distribute nothing")

SPLIT = {
    "token_embedding/embeddings": ("model", None),
    "position_embedding/table/embeddings": (None, None),
    "decoder_block_1/query_key_value/kernel": (None, "model"),
    "decoder_block_1/query_key_value/bias": ("model",),
    "decoder_block_1/attention_output/kernel": ("model", None),
    "decoder_block_1/feed_forward_intermediate/kernel": (None, "model"),
    "decoder_block_1/feed_forward_intermediate/bias": ("model",),
    "decoder_block_1/feed_forward_output/kernel": ("model", None),
}
SPLIT_OVER_DATA = {
    "token_embedding/embeddings": ("model", "batch"),
    "position_embedding/table/embeddings": (None, "batch"),
    "decoder_block_1/query_key_value/kernel": ("batch", "model"),
    "decoder_block_1/query_key_value/bias": ("model",),
    "decoder_block_1/attention_output/kernel": ("model", "batch"),
}
WHOLE = [
    "decoder_block_1/attention_norm/gamma",
    "decoder_block_1/attention_output/bias",
    "decoder_block_1/feed_forward_output/bias",
    "final_norm/beta",
]


def axes(layout_map):
    return {path: layout_map[path].axes for path in SPLIT}


@jax_only
def test_splits_heads_columns_then_rows_and_the_vocabulary():
    layout_map = GPT3Backbone.get_layout_map(device_mesh((2, 4)))
    assert axes(layout_map) == SPLIT
    assert not any(layout_map[path] for path in WHOLE)
    assert layout_map.optimizer_layouts is None


@jax_only
def test_takes_other_names_of_the_axes():
    mesh = device_mesh((2, 2), ("rows", "columns"))
    layout_map = GPT3Backbone.get_layout_map(mesh, "rows", "columns")
    layout = layout_map["decoder_block_0/attention_output/kernel"]
    assert layout.axes == ("columns", None)


@jax_only
def test_weights_or_the_optimizer_alone_are_split_over_the_batch_axis_too():
    mesh = device_mesh((2, 2))
    layout_map = GPT3Backbone.get_layout_map(mesh, shard_weights=True)
    assert axes(layout_map) == axes(layout_map) | SPLIT_OVER_DATA
    layout_map = GPT3Backbone.get_layout_map(mesh, shard_optimizer=True)
    assert axes(layout_map) == SPLIT
    optimizer = axes(layout_map.optimizer_layouts)
    assert optimizer == optimizer | SPLIT_OVER_DATA


@jax_only
def test_every_weight_of_a_model_is_laid_out_by_the_map():
    with distributed((2, 4)):
        backbone = small_backbone(num_heads=4)
    for variable in backbone.weights:
        expected = SPLIT.get(variable.path.replace("block_0", "block_1"))
        if expected is None:
            assert any(variable.path.endswith(p[15:]) for p in WHOLE) or (
                "norm" in variable.path
            ), variable.path
        spec = variable.value.sharding.spec
        wanted = expected or (None,) * len(variable.shape)
        assert (*spec, *wanted[len(spec) :]) == wanted, variable.path


@jax_only
def test_a_model_that_is_made_in_a_name_scope_is_split_too():
    with distributed((2, 2), shard_weights=True), keras.name_scope("outer"):
        backbone = small_backbone()
    paths = {variable.path: variable for variable in backbone.weights}
    for path, axes in SPLIT_OVER_DATA.items():
        spec = paths[f"outer/{path}"].value.sharding.spec
        assert (*spec, *axes[len(spec) :]) == axes, path


@jax_only
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"model_parallel_dim_name": "batch"},
            "data_parallel_dim_name and model_parallel_dim_name must be two "
            "axes of the mesh. Received: data_parallel_dim_name='batch', "
            "model_parallel_dim_name='batch'. Give the mesh a second axis, of "
            "size 1 if need be.",
        ),
        (
            {"model_parallel_dim_name": "heads"},
            "model_parallel_dim_name must be an axis of the mesh. Received: "
            "model_parallel_dim_name='heads', axis_names=['batch', 'model']. "
            "Name one of them.",
        ),
        (
            {"data_parallel_dim_name": "data"},
            "data_parallel_dim_name must be an axis of the mesh. Received: "
            "data_parallel_dim_name='data', axis_names=['batch', 'model']. "
            "Name one of them.",
        ),
    ],
)
def test_an_axis_that_the_mesh_does_not_have(arguments, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        GPT3Backbone.get_layout_map(device_mesh((1, 2)), **arguments)


@jax_only
def test_a_mesh_of_another_kind():
    message = (
        "device_mesh must be a keras.distribution.DeviceMesh. Received: "
        "device_mesh=(2, 4). Make one of a shape, names of its axes and "
        "keras.distribution.list_devices()."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        GPT3Backbone.get_layout_map((2, 4))


@jax_only
def test_a_mesh_larger_than_the_devices():
    with pytest.raises(ValueError, match=r"(?s)^[^\n]*\(4, 4\)[^\n]*$"):
        device_mesh((4, 4))


@pytest.mark.backend("tensorflow", reason="JAX distributes")
def test_a_layout_map_on_tensorflow():
    message = "JAX backend. Received: KERAS_BACKEND=tensorflow. Set"
    with pytest.raises(NotImplementedError, match=message):
        GPT3Backbone.get_layout_map(device_mesh=None)
    mesh = keras.distribution.DeviceMesh((1,), ("model",), ["cpu:0"])
    distribution = keras.distribution.ModelParallel(
        layout_map=keras.distribution.LayoutMap(mesh)
    )
    with (
        distribution.scope(),
        pytest.raises(
            NotImplementedError, match=re.escape("compile(pipeline_stages=")
        ),
    ):
        small_backbone()


# === Layout check ===


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
