import re
import sys
import types

import keras
import pytest

from keras_gpt3 import GPT3Backbone
from keras_gpt3.planning import available_memory
from keras_gpt3.planning import check_fits
from keras_gpt3.planning import check_training_fits
from keras_gpt3.planning import describe
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.planning import format_bytes
from keras_gpt3.planning.device_share import WeightShards
from keras_gpt3.planning.preflight import process_weights
from keras_gpt3.planning.training_memory import choose_training
from keras_gpt3.preset_loader import load_shipped_preset
from tests.planning.toy_config import TOY

# === Preflight ===


LARGEST = load_shipped_preset("gpt3_175b_en")["backbone"]


def refusal(available, dtype="float32", name="gpt3_175b_en"):
    with pytest.raises(MemoryError) as error:
        check_fits(LARGEST, name, dtype, available)
    return str(error.value)


def test_what_does_not_fit_is_refused_with_need_stock_and_remedy():
    assert refusal(23_100_000_000) == (
        "The weights of gpt3_175b_en must fit into memory: 698.4 GB in float32 "
        "(2.8 TB with gradients and AdamW, to train). "
        "Received: available=23.1 GB. "
        "Use a smaller preset such as gpt3_2.7b_en, "
        'or keras_gpt3.describe("gpt3_175b_en") to plan.'
    )


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_half_precision_is_offered_where_it_would_fit(dtype):
    assert refusal(350 * 10**9, dtype).endswith(
        'Use dtype="bfloat16", a smaller preset such as gpt3_13b_en, '
        'or keras_gpt3.describe("gpt3_175b_en") to plan.'
    )


def test_half_precision_is_not_offered_to_what_has_it():
    message = refusal(340 * 10**9, "bfloat16")
    assert "349.2 GB in bfloat16 (1.4 TB with" in message
    assert "dtype=" not in message


def test_nothing_is_offered_where_nothing_fits():
    assert refusal(10**6).endswith(
        'available=1.0 MB. Use keras_gpt3.describe("gpt3_175b_en") to plan.'
    )


def test_the_larger_preset_is_offered_in_the_dtype_that_was_asked_for():
    assert "such as gpt3_2.7b_en," in refusal(20 * 10**9, "float32")
    assert "such as gpt3_6.7b_en," in refusal(20 * 10**9, "bfloat16")


def test_quantized_weights_are_not_said_to_be_trained():
    message = refusal(10**11, "int8_from_float32")
    assert "memory: 174.6 GB in int8_from_float32. Received" in message


def test_what_is_not_on_this_machine_is_described_by_its_config():
    message = refusal(10**6, name="hf://org/name")
    assert message.endswith("Use keras_gpt3.describe(config) to plan.")


def test_the_limit_is_the_weights_to_the_byte():
    weights = describe("gpt3_175b_en").memory("float32", None)["total"]
    check_fits(LARGEST, "gpt3_175b_en", "float32", weights)
    assert "available=698.4 GB" in refusal(weights - 1)


def test_overrides_count():
    longer = LARGEST | {"num_layers": 1, "max_sequence_length": 10**6}
    message = re.escape("58.9 GB in float32")
    with pytest.raises(MemoryError, match=message):
        check_fits(longer, "gpt3_175b_en", "float32", 50 * 10**9)


def test_the_machine_s_own_memory_and_keras_policy_are_the_default():
    absurd = LARGEST | {"num_layers": 10**9}
    with pytest.raises(MemoryError, match="in float32 .* Received: available="):
        check_fits(absurd, "absurd")


# === Process weights ===


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


# === Training preflight ===


SMALL = load_shipped_preset("gpt3_small_en")["backbone"]
MODULE = sys.modules["keras_gpt3.planning.preflight"]


def needed(**options):
    return estimate_training_memory(SMALL, **options)["total"]


def training_refusal(available, **options):
    with pytest.raises(MemoryError) as error:
        check_training_fits(
            SMALL, "gpt3_small_en", available=available, **options
        )
    return str(error.value)


def test_training_that_does_not_fit_is_refused_with_a_remedy():
    available = 8 * 10**9
    remedy, fits = choose_training(
        SMALL, 16, available, dtype="float32", optimizer="adamw"
    )
    assert fits and remedy.micro_batch_size is not None
    assert training_refusal(available, batch_size=16) == (
        "A training step of gpt3_small_en must fit into memory: "
        f"{format_bytes(needed(batch_size=16))} in float32 for 16 rows of "
        "2048 tokens, 0 B of them taken already. Received: available=8.0 GB, "
        "micro_batch_size=None, rematerialization='none'. Compile with "
        f"{remedy.arguments}."
    )


def test_the_remedy_passes():
    remedy, _ = choose_training(SMALL, 16, 8 * 10**9)
    check_training_fits(
        SMALL,
        "gpt3_small_en",
        batch_size=16,
        micro_batch_size=remedy.micro_batch_size,
        rematerialization=remedy.rematerialization,
        available=8 * 10**9,
    )


def test_where_nothing_fits_a_smaller_model_is_offered():
    least, _ = choose_training(SMALL, 2, 0)
    assert training_refusal(10**9, batch_size=2).endswith(
        f"Even {least.arguments} takes {format_bytes(least.memory['total'])}: "
        "use a smaller model, shorter rows or a device with more memory."
    )


def test_what_the_estimate_may_be_too_high_by_is_not_refused():
    limit = int(0.85 * needed()) + 1
    check_training_fits(SMALL, "gpt3_small_en", available=limit)
    assert "must fit into memory" in training_refusal(limit - 2)


def test_variables_that_are_in_memory_count_as_available():
    memory = estimate_training_memory(SMALL)
    variables = memory["weights"] + memory["optimizer"]
    left = int(0.85 * memory["total"]) + 1 - variables
    options = {"allocated": variables}
    check_training_fits(SMALL, "gpt3_small_en", available=left, **options)
    message = training_refusal(left - 2, **options)
    assert f"{format_bytes(variables)} of them taken already" in message
    assert "tokens, 0 B of them" in training_refusal(left)


def test_the_arguments_of_the_step_count():
    options = {
        "dtype": "mixed_bfloat16",
        "optimizer": "sgd",
        "batch_size": 8,
        "length": 1024,
        "micro_batch_size": 2,
        "rematerialization": 2,
    }
    limit = int(0.85 * needed(**options)) + 1
    check_training_fits(SMALL, "gpt3_small_en", available=limit, **options)
    message = training_refusal(limit - 2, **options)
    assert "in mixed_bfloat16 for 8 rows of 1024 tokens" in message
    assert "micro_batch_size=2, rematerialization=2. " in message


def test_the_machine_s_own_memory_is_the_default(monkeypatch):
    monkeypatch.setattr(MODULE, "available_memory", lambda: 10**9)
    with pytest.raises(MemoryError, match=re.escape("available=1.0 GB")):
        check_training_fits(SMALL, "gpt3_small_en")
    monkeypatch.setattr(MODULE, "available_memory", lambda: 10**12)
    check_training_fits(SMALL, "gpt3_small_en")


def test_a_wrong_argument_is_an_error_of_its_own():
    with pytest.raises(ValueError, match="micro_batch_size must divide"):
        check_training_fits(
            SMALL, "gpt3_small_en", batch_size=3, micro_batch_size=2
        )
