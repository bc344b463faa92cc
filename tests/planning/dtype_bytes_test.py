import re

import keras
import pytest
import tensorflow as tf

from keras_gpt3.planning import bytes_per_activation
from keras_gpt3.planning import bytes_per_weight


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
