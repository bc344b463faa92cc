import keras
import pytest

from keras_gpt3.layers.initializers import layer_policy


@pytest.mark.parametrize("dtype", [None, "bfloat16"])
def test_one_type_is_that_of_all_layers(dtype):
    assert layer_policy(dtype, "a") == dtype


@pytest.mark.parametrize(
    ("path", "name"), [("a/b", "int8_from_float32"), ("a", "float32")]
)
def test_a_map_is_looked_up(path, name):
    policies = keras.dtype_policies.DTypePolicyMap("float32")
    policies["a/b"] = "int8_from_float32"
    assert layer_policy(policies, path).name == name
