import types

import keras
import pytest

from keras_gpt3 import GPT3Backbone
from keras_gpt3.planning import available_memory
from keras_gpt3.planning import check_fits
from keras_gpt3.planning import describe
from keras_gpt3.planning.device_share import WeightShards
from keras_gpt3.planning.preflight import process_weights
from tests.planning.toy_config import TOY


@pytest.fixture
def distributed():
    def distribute(data, model, **options):
        mesh = keras.distribution.DeviceMesh(
            (data, model),
            ("batch", "model"),
            keras.distribution.list_devices()[: data * model],
        )
        layouts = GPT3Backbone.get_layout_map(mesh, **options)
        keras.distribution.set_distribution(
            keras.distribution.ModelParallel(
                layout_map=layouts, batch_dim_name="batch"
            )
        )

    yield distribute
    keras.distribution.set_distribution(None)


def test_a_process_alone_holds_all_weights():
    assert process_weights(TOY) == describe(TOY).num_parameters


@pytest.mark.backend("jax", reason="No other backend distributes weights.")
@pytest.mark.parametrize(
    ("data", "model", "shares"),
    [(1, 2, False), (4, 2, False), (4, 2, True), (4, 1, True)],
)
def test_each_device_holds_what_the_planner_counts(
    distributed, data, model, shares
):
    distributed(data, model, shard_weights=shares)
    of_device = WeightShards.of(TOY, model, data if shares else 1)
    assert process_weights(TOY) == data * model * of_device.total


@pytest.mark.backend("jax", reason="No other backend distributes weights.")
def test_data_parallelism_puts_all_weights_on_each_device(distributed):
    devices = keras.distribution.list_devices()[:4]
    keras.distribution.set_distribution(
        keras.distribution.DataParallel(devices=devices)
    )
    assert process_weights(TOY) == 4 * describe(TOY).num_parameters


@pytest.mark.backend("jax", reason="No other backend distributes weights.")
@pytest.mark.parametrize("model", [1, 2])
def test_an_accelerator_holds_what_lies_on_it(distributed, monkeypatch, model):
    import jax

    of_device = WeightShards.of(TOY, model).total
    gpu = types.SimpleNamespace(
        platform="gpu", memory_stats=lambda: {"bytes_limit": 4 * of_device}
    )
    distributed(4, model)
    monkeypatch.setattr(jax, "local_devices", lambda: [gpu] * 4 * model)
    assert process_weights(TOY) == of_device
    assert available_memory() == 4 * of_device
    check_fits(TOY, "toy", "float32")
    more = TOY | {"num_layers": 8}
    with pytest.raises(MemoryError, match="^The weights of toy must fit"):
        check_fits(more, "toy", "float32")


@pytest.mark.backend("jax", reason="No other backend distributes weights.")
def test_split_weights_fit_where_a_copy_for_each_device_does_not(distributed):
    available = 4 * 3 * describe(TOY).num_parameters
    distributed(4, 2, shard_weights=True)
    check_fits(TOY, "toy", "float32", available)
    distributed(4, 2)
    with pytest.raises(MemoryError, match="^The weights of toy must fit"):
        check_fits(TOY, "toy", "float32", available)
