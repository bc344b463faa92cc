import keras
import numpy as np
import pytest

from keras_gpt3.parallel.variable_layouts import bring_together
from keras_gpt3.parallel.variable_layouts import check_shards_divide
from keras_gpt3.parallel.variable_layouts import data_axis
from keras_gpt3.parallel.variable_layouts import is_spread_over_data
from keras_gpt3.parallel.variable_layouts import lay_out_like
from keras_gpt3.parallel.variable_layouts import lay_out_like_slots
from keras_gpt3.parallel.variable_layouts import num_data_shards
from keras_gpt3.parallel.variable_layouts import optimizer_layouts
from keras_gpt3.planning import estimate_sharded_memory
from tests.parallel.meshes import device_mesh
from tests.parallel.meshes import distributed
from tests.parallel.meshes import new_model
from tests.parallel.meshes import train

# === Variable layouts ===


jax_only = pytest.mark.backend("jax", reason="others distribute nothing")


def bytes_of_a_device(variables):
    """What the first device holds of some variables."""
    return sum(v.value.addressable_shards[0].data.nbytes for v in variables)


def test_without_a_distribution_everything_is_whole():
    variable = keras.Variable(np.ones(2))
    assert data_axis() is None
    assert not is_spread_over_data(variable)
    arrays = [np.ones(2)]
    assert lay_out_like(arrays, [variable])[0] is arrays[0]
    assert bring_together(arrays[0], variable) is arrays[0]
    with optimizer_layouts([variable]):
        assert variable._layout is None


@jax_only
def test_tells_weights_that_are_spread_over_the_batch_axis():
    for option in (True, False):
        with distributed((2, 2), shard_weights=option):
            block = new_model().backbone.decoder_blocks[0]
            kernel = block.query_key_value.kernel
            assert is_spread_over_data(kernel) is option


@jax_only
def test_gradients_are_scattered_as_the_slots_are():
    import jax

    with distributed((2, 2), shard_optimizer=True):
        kernel = new_model().backbone.decoder_blocks[0].query_key_value.kernel
        for lay_out, parts in ((lay_out_like, 2), (lay_out_like_slots, 4)):
            ones = np.ones(kernel.shape, "float32")
            found = jax.jit(lambda x, f=lay_out: f([x], [kernel])[0])(ones)
            shard = found.addressable_shards[0].data
            assert shard.size == ones.size // parts
        assert "batch" not in kernel._layout.axes


@jax_only
@pytest.mark.parametrize(
    ("option", "weight_parts", "slot_parts"),
    [(None, 2, 2), ("shard_optimizer", 2, 4), ("shard_weights", 4, 4)],
)
def test_slots_are_spread_as_the_option_says(option, weight_parts, slot_parts):
    with distributed((2, 2), **({option: True} if option else {})):
        model = new_model()
        train(model, 2)
    path = "decoder_block_0_feed_forward_output_kernel"
    slots = [v for v in model.optimizer.variables if path in v.path]
    kernel = model.backbone.decoder_blocks[0].feed_forward_output.kernel
    # After training: the step keeps the layouts.
    assert bytes_of_a_device([kernel]) == 16 * 32 * 4 / weight_parts
    assert bytes_of_a_device(slots) == 2 * 16 * 32 * 4 / slot_parts
    assert kernel._layout.axes[0] == "model"


@jax_only
@pytest.mark.parametrize(
    ("shape", "options"),
    [
        ((1, 4), {}),
        ((2, 4), {"shard_optimizer": True}),
        ((4, 2), {"shard_weights": True}),
    ],
)
def test_a_device_holds_what_the_planner_says(shape, options):
    with distributed(shape, **options):
        model = new_model()
        model.make_train_function()
    planned = estimate_sharded_memory(
        model.backbone.get_config(), (*shape, 1), **options
    )
    weights = bytes_of_a_device(model.trainable_variables)
    # All but the count of steps and the learning rate.
    slots = [v for v in model.optimizer.variables if v.shape]
    assert weights == pytest.approx(planned["weights"], rel=0.03)
    assert bytes_of_a_device(slots) == pytest.approx(
        planned["optimizer"], rel=0.03
    )


# === Data axis ===


def test_without_a_distribution_a_batch_is_whole():
    assert num_data_shards() == 1


@pytest.mark.backend("jax", reason="others distribute nothing")
def test_counts_the_batch_axis():
    with distributed((2, 4)):
        assert num_data_shards() == 2
    distribution = keras.distribution.DataParallel(
        device_mesh=device_mesh((3,), ("batch",))
    )
    with distribution.scope():
        assert num_data_shards() == 3


def test_parts_divide_the_rows():
    check_shards_divide(num_shards=2, rows=4)
    message = "rows=5, batch_axis=4. Use a batch size of 8, or drop"
    with pytest.raises(ValueError, match=message):
        check_shards_divide(num_shards=4, rows=5)
