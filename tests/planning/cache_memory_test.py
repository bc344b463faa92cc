import keras
import pytest

from keras_gpt3 import GPT3Backbone
from keras_gpt3.planning import cache_bytes
from tests.planning.toy_config import TOY


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
