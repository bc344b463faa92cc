import re

import keras
import pytest
import tensorflow as tf

from keras_gpt3 import GPT3Backbone
from keras_gpt3.planning import bytes_per_activation
from keras_gpt3.planning import bytes_per_weight
from keras_gpt3.planning import cache_bytes
from keras_gpt3.planning import estimate_memory
from keras_gpt3.planning import format_bytes
from keras_gpt3.planning import parse_bytes
from keras_gpt3.planning.memory import training_slots
from tests.planning.toy_config import TOY

# === Memory ===


@pytest.mark.parametrize(
    ("dtype", "weight_bytes"),
    [("float32", 4), ("mixed_bfloat16", 4), ("mixed_float16", 4)]
    + [("bfloat16", 2), ("float16", 2)],
)
def test_adamw_takes_four_times_the_weights(dtype, weight_bytes):
    assert estimate_memory(1000, dtype, "adamw") == {
        "weights": 1000 * weight_bytes,
        "gradients": 1000 * weight_bytes,
        "optimizer": 2000 * weight_bytes,
        "total": 4000 * weight_bytes,
    }


def test_inference_takes_the_weights_alone():
    assert estimate_memory(10, "float32", None) == {
        "weights": 40,
        "gradients": 0,
        "optimizer": 0,
        "total": 40,
    }


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd"])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_optimizer_state_is_what_keras_allocates(name, dtype):
    optimizer = keras.optimizers.get(name)
    weight = keras.Variable(keras.ops.zeros((5, 3)), dtype=dtype)
    optimizer.build([weight])
    slots = [v for v in optimizer.variables if v.shape == weight.shape]
    allocated = sum(15 * tf.as_dtype(slot.dtype).size for slot in slots)
    assert estimate_memory(15, dtype, name)["optimizer"] == allocated


@pytest.mark.parametrize("argument", ["dtype", "optimizer"])
def test_an_unknown_dtype_or_optimizer_raises(argument):
    message = (
        f"{argument} must be a known one. Received: {argument}='lion'. Use one "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        estimate_memory(10, **{argument: "lion"})


def test_to_train_is_with_an_optimizer():
    assert [training_slots(name) for name in ("sgd", "adam", "adamw")] == [
        *(0, 2, 2)
    ]
    with pytest.raises(ValueError, match="^optimizer must be one to train "):
        training_slots(None)
    with pytest.raises(ValueError, match="^optimizer must be a known one. "):
        training_slots("lion")


# === Byte size ===


@pytest.mark.parametrize(
    ("num_bytes", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (999_949, "999.9 kB"),
        (999_950, "1.0 MB"),
        (500_904_960, "500.9 MB"),
        (698_417_037_312, "698.4 GB"),
        (2_793_668_149_248, "2.8 TB"),
        (5 * 10**18, "5000.0 PB"),
    ],
)
def test_bytes_are_written_in_the_unit_that_keeps_them_short(num_bytes, text):
    assert format_bytes(num_bytes) == text


@pytest.mark.parametrize(
    ("size", "num_bytes"),
    [
        ("80GB", 80 * 10**9),
        ("80 gb", 80 * 10**9),
        ("80G", 80 * 10**9),
        ("80GiB", 80 * 2**30),
        (" 74.5 Gi ", int(74.5 * 2**30)),
        ("1.5TB", 1_500_000_000_000),
        (".5MB", 500_000),
        ("16kB", 16_000),
        ("1PiB", 2**50),
        ("123", 123),
        ("123B", 123),
        (123, 123),
        (8e10, 80 * 10**9),
    ],
)
def test_sizes_are_read_in_decimal_and_binary_units(size, num_bytes):
    assert parse_bytes(size) == num_bytes


@pytest.mark.parametrize("num_bytes", [1, 999, 80 * 10**9, 1_500_000])
def test_what_is_written_is_read_again(num_bytes):
    assert parse_bytes(format_bytes(num_bytes)) == num_bytes


@pytest.mark.parametrize(
    "size",
    ["", "GB", "eighty GB", "80 apples", "80GBB", "-1GB", "0", "1e9", "nan"]
    + [0, -5, 0.5, None, True, float("nan"), float("inf"), ["80GB"]],
)
def test_what_is_no_size_raises(size):
    message = (
        "A size of memory must be a number of bytes above 0, with or without "
        f"a unit. Received: size={size!r}. Write it as '80GB' or '74.5GiB'."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        parse_bytes(size)


# === Cache memory ===


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16", "bfloat16"])
def test_the_cache_is_as_large_as_the_backbone_makes_it(dtype):
    backbone = GPT3Backbone(**TOY, dtype=dtype)
    cache = backbone.make_cache(batch_size=3, length=5)
    made = sum(
        keras.ops.size(x) * (4 if dtype == "float32" else 2)
        for x in keras.tree.flatten(cache)
    )
    assert {x.dtype.name for x in keras.tree.flatten(cache)} == {
        backbone.compute_dtype
    }
    assert cache_bytes(TOY, dtype, batch_size=3, length=5) == made


def test_the_whole_context_is_the_default():
    expected = cache_bytes(TOY, length=TOY["max_sequence_length"])
    assert cache_bytes(TOY) == expected > 0


def test_an_unknown_dtype_raises():
    with pytest.raises(ValueError, match="dtype='int8'. Use one of 'float32'"):
        cache_bytes(TOY, "int8")


@pytest.mark.parametrize("name", ["batch_size", "length"])
def test_a_size_that_is_none_raises(name):
    message = f"{name} must be an integer of at least 1. Received: {name}=0."
    with pytest.raises(ValueError, match=message):
        cache_bytes(TOY, **{name: 0})


# === Dtype bytes ===


@pytest.mark.parametrize(
    "policy",
    [
        "float32",
        "mixed_bfloat16",
        "mixed_float16",
        "bfloat16",
        "float16",
        "float64",
    ],
)
def test_named_policies_store_what_a_keras_variable_of_theirs_stores(policy):
    layer = keras.layers.Dense(3, dtype=policy)
    layer.build((None, 2))
    stored = tf.as_dtype(layer.kernel.dtype).size
    assert bytes_per_weight(policy) == (policy, stored)
    assert bytes_per_weight(keras.DTypePolicy(policy)) == (policy, stored)


@pytest.mark.parametrize(
    ("policy", "expected"),
    [
        ("int8_from_float32", 1),
        ("int8_from_mixed_bfloat16", 1),
        ("int4_from_float32", 0.5),
        ("float8_from_mixed_bfloat16", 4),
    ],
)
def test_quantized_policies_count_their_quantized_kernels(policy, expected):
    assert bytes_per_weight(policy) == (policy, expected)


def test_a_serialized_policy_is_read():
    config = keras.dtype_policies.serialize(keras.DTypePolicy("bfloat16"))
    assert bytes_per_weight(config) == ("bfloat16", 2)


def test_a_map_of_policies_counts_its_smallest():
    policies = keras.dtype_policies.DTypePolicyMap(default_policy="float32")
    assert bytes_per_weight(policies)[1] == 4
    policies["decoder"] = keras.dtype_policies.get("int8_from_float32")
    assert bytes_per_weight(policies)[1] == 1


def test_no_policy_means_the_global_one():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float16")
    try:
        assert bytes_per_weight(None) == ("float16", 2)
    finally:
        keras.config.set_dtype_policy(before)


def test_an_unknown_policy_raises():
    message = (
        "dtype must be a Keras dtype policy. Received: dtype='float31'. "
        "Use one of float32, mixed_bfloat16, mixed_float16, bfloat16, float16, "
        "float64."
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        bytes_per_weight("float31")


@pytest.mark.parametrize(
    "policy",
    ["float32", "mixed_bfloat16", "mixed_float16", "bfloat16", "float16"]
    + ["float64"],
)
def test_activations_take_what_keras_layers_compute_in(policy):
    computed = keras.DTypePolicy(policy).compute_dtype
    assert bytes_per_activation(policy) == tf.as_dtype(computed).size


def test_a_policy_that_nobody_trains_in_has_no_activations():
    message = (
        "dtype must be a known one. Received: dtype='int8_from_float32'. Use "
        "one of 'float32', 'mixed_bfloat16', "
    )
    with pytest.raises(ValueError, match=re.escape(message)):
        bytes_per_activation("int8_from_float32")
