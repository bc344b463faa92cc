import keras
import ml_dtypes
import numpy as np
import pytest

from keras_gpt3.converters.name_match import WeightRule
from keras_gpt3.models.presets.checkpoint_loading import check_tied
from keras_gpt3.models.presets.checkpoint_loading import pieces
from keras_gpt3.models.presets.checkpoint_loading import stream_weight


class Arrays:
    """Arrays in memory that are read as weight files are."""

    def __init__(self, **arrays):
        self._arrays = arrays
        self.shapes = {name: array.shape for name, array in arrays.items()}

    def read(self, name, start=0, end=None):
        return self._arrays[name][start:end]


def numbers(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def streamed(rule, arrays, dtype="float32", piece_bytes=20):
    """What a variable holds after it was filled in small pieces."""
    variable = keras.Variable("ones", shape=rule.shape, dtype=dtype)
    stream_weight(variable, rule, Arrays(**arrays), piece_bytes)
    return keras.ops.convert_to_numpy(variable)


def slow_weight(rule, arrays):
    """The weight of a rule by whole arrays."""
    theirs = [arrays[name] for name in rule.tensor_names]
    if rule.transposed:
        theirs = [array.T for array in theirs]
    joined = np.concatenate(theirs, axis=-1)
    if rule.num_heads == 1:
        return joined
    by_head = joined.reshape(*joined.shape[:-1], 3, rule.num_heads, -1)
    return by_head.swapaxes(-3, -2).reshape(joined.shape)


@pytest.mark.parametrize("piece_bytes", [1, 20, 1000])
@pytest.mark.parametrize("names", ["q", "qkv"])
@pytest.mark.parametrize(
    ("each", "transposed"), [((5, 3), False), ((3, 5), True), ((3,), False)]
)
def test_pieces_are_joined_and_turned(each, transposed, names, piece_bytes):
    arrays = {name: numbers(*each, seed=i) for i, name in enumerate(names)}
    width = 3 * len(names)
    shape = (5, width) if len(each) == 2 else (width,)
    rule = WeightRule("kernel", tuple(names), transposed, shape)
    np.testing.assert_array_equal(
        streamed(rule, arrays, piece_bytes=piece_bytes),
        slow_weight(rule, arrays),
    )


@pytest.mark.parametrize("piece_bytes", [1, 100, 1000])
@pytest.mark.parametrize("names", [("qkv",), ("q", "k", "v")])
@pytest.mark.parametrize(
    ("shape", "transposed"), [((5, 24), False), ((5, 24), True), ((24,), False)]
)
def test_pieces_go_to_their_heads(shape, transposed, names, piece_bytes):
    """Heads of width 4, which a piece of the transposed cuts anywhere."""
    rule = WeightRule("kernel", names, transposed, shape, num_heads=2)
    arrays = {
        name: numbers(*rule.tensor_shape, seed=i)
        for i, name in enumerate(names)
    }
    np.testing.assert_array_equal(
        streamed(rule, arrays, piece_bytes=piece_bytes),
        slow_weight(rule, arrays),
    )


@pytest.mark.parametrize("stored", ["float64", "float16", ml_dtypes.bfloat16])
@pytest.mark.parametrize("dtype", ["float32", "float16", "bfloat16"])
def test_numbers_are_cast_once(stored, dtype):
    array = numbers(5, 3).astype(stored)
    rule = WeightRule("kernel", ("a",), shape=(5, 3))
    np.testing.assert_array_equal(
        streamed(rule, {"a": array}, dtype), array.astype(dtype)
    )


def test_numbers_too_large_for_the_type_are_an_error():
    rule = WeightRule("kernel", ("a",), shape=(3,))
    message = (
        "^dtype must hold the numbers of the weights. Received: float16, with "
        'larger ones in a. Pass dtype="bfloat16" or "float32".$'
    )
    with pytest.raises(ValueError, match=message):
        streamed(rule, {"a": np.full(3, 1e5, "float32")}, "float16")


def test_integers_are_no_weights():
    rule = WeightRule("kernel", ("a",), shape=(3,))
    message = (
        "^Weights must be floating-point numbers. Received: a of type int64. "
        "Save the checkpoint in float32.$"
    )
    with pytest.raises(ValueError, match=message):
        streamed(rule, {"a": np.ones(3, "int64")})


def test_pieces_cover_a_tensor_in_order():
    array = numbers(7, 2)
    found = list(pieces(Arrays(a=array), "a", piece_bytes=24))
    assert [start for start, _ in found] == [0, 3, 6]
    np.testing.assert_array_equal(
        np.concatenate([rows for _, rows in found]), array
    )


def test_a_head_that_is_the_embedding_passes():
    check_tied(Arrays(head=numbers(4, 2), table=numbers(4, 2)), "head", "table")


def test_a_head_of_its_own_is_an_error():
    arrays = Arrays(head=numbers(4, 2), table=numbers(4, 2, seed=1))
    with pytest.raises(
        ValueError, match="head must be the token .* head that differs from tab"
    ):
        check_tied(arrays, "head", "table")


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    "stored", ["float64", "float32", "float16", ml_dtypes.bfloat16]
)
def test_a_weight_that_is_no_number_is_named(number, stored):
    array = numbers(5, 3).astype(stored)
    array[4, 1] = number
    rule = WeightRule("kernel", ("fine", "bad"), shape=(5, 6))
    with pytest.raises(
        ValueError, match="must be finite numbers. Received: bad with NaN or in"
    ):
        streamed(rule, {"fine": numbers(5, 3).astype(stored), "bad": array})


@pytest.mark.parametrize("stored", ["float16", ml_dtypes.bfloat16])
def test_the_largest_numbers_are_weights(stored):
    largest = ml_dtypes.finfo(stored).max
    array = np.array([largest, -largest, 0.0], stored)
    rule = WeightRule("kernel", ("a",), shape=(3,))
    np.testing.assert_array_equal(streamed(rule, {"a": array}), array)


def test_a_head_of_nan_is_not_taken_for_one_of_its_own():
    table = np.full((4, 2), np.nan, "float32")
    with pytest.raises(ValueError, match="finite numbers. Received: head with"):
        check_tied(Arrays(head=table, table=table), "head", "table")
