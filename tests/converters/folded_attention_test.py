"""Folded weights against the whole model in numpy's float64."""

import ml_dtypes  # noqa: F401  numpy's name for bfloat16.
import numpy as np
import pytest

from keras_gpt3.converters.checkpoint_family import complete_arguments
from keras_gpt3.converters.folded_attention import FoldedWeights
from keras_gpt3.converters.weight_shapes import weight_shapes
from tests.fixtures.numpy_forward import numpy_forward

BACKBONE = {
    "vocabulary_size": 31,
    "num_layers": 3,
    "num_heads": 4,
    "hidden_dim": 48,
    "intermediate_dim": 96,
    "dropout": 0.0,
    "max_sequence_length": 20,
    "attention_pattern": ["dense", "banded"],
    "attention_window": 5,
    "layer_norm_epsilon": 1e-5,
    "activation": "gelu_approximate",
}
QUERY_KERNEL = "decoder_block_1/query_key_value/kernel"
BIAS = "decoder_block_1/query_key_value/bias"


def random_weights(arguments, seed=0):
    generator = np.random.default_rng(seed)
    shapes = weight_shapes(complete_arguments(arguments))
    return {
        path: generator.normal(path.endswith("/gamma"), 0.3, shape)
        for path, shape in shapes.items()
    }


def forward(weights, arguments):
    names = {path: path.replace("/table/", "/") for path in weights}
    arrays = {names[path]: array for path, array in weights.items()}
    token_ids = np.random.default_rng(1).integers(31, size=(2, 20))
    return numpy_forward(arrays, arguments, token_ids)


def assert_same(read, weights, arguments):
    """All that GPT-Neo has, and nothing else, gives the same logits."""
    stored = {path: read(path) for path in weight_shapes(read.arguments)}
    assert not any("query_key_value/bias" in path for path in stored)
    np.testing.assert_allclose(
        forward(stored, read.arguments),
        forward(weights, arguments),
        rtol=0,
        atol=1e-10,
    )


def queries(array):
    """The columns that make queries, a view (..., heads, head_dim)."""
    return array.reshape(*array.shape[:-1], 4, 3, 12)[..., 0, :]


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"attention_scale": 0.3},
        {"scale_by_inverse_layer_index": True},
        {"query_key_value_bias": False},
        {"use_bias": False},
        {"layer_norm_affine": False},
    ],
    ids=lambda switches: next(iter(switches), "as_gpt3"),
)
def test_the_folded_model_computes_the_same(switches):
    arguments = BACKBONE | switches
    weights = random_weights(arguments)
    read = FoldedWeights(arguments, weights.__getitem__)
    assert_same(read, weights, arguments)


def test_an_offset_that_rounding_would_drown_is_refused():
    weights = random_weights(BACKBONE)
    kernel = queries(weights[QUERY_KERNEL])
    left, values, right = np.linalg.svd(kernel.reshape(48, 48))
    values[-1] /= 1e6
    kernel[:] = (left * values @ right).reshape(48, 4, 12)
    message = (
        r"A query bias must fold .* with a relative error of at most 1e-06 in "
        r"float32\. Received: decoder_block_1, error \d\.\de-\d\d, whose query "
        r"kernel has condition number \d\.\de\+0\d\. Save it with "
        r"save_to_preset\."
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        FoldedWeights(BACKBONE, weights.__getitem__)


def test_a_head_without_a_kernel_folds_if_it_has_no_bias_either():
    weights = random_weights(BACKBONE)
    queries(weights[QUERY_KERNEL])[:, 2] = 0
    with pytest.raises(ValueError, match=r"condition number (inf|\d\.\de)"):
        FoldedWeights(BACKBONE, weights.__getitem__)
    queries(weights[BIAS])[2] = 0
    read = FoldedWeights(BACKBONE, weights.__getitem__)
    assert_same(read, weights, BACKBONE)


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_16_bits_hold_what_is_not_rounded_once_more(dtype):
    arguments = BACKBONE | {"attention_scale": 0.25}
    weights = {
        path: array.astype(dtype).astype("float64")
        for path, array in random_weights(arguments).items()
    }
    for index in range(3):
        # (heads, kinds, head_dim): of keys alone.
        bias = weights[f"decoder_block_{index}/query_key_value/bias"]
        bias.reshape(4, 3, 12)[:, ::2] = 0
    read = FoldedWeights(
        arguments, weights.__getitem__, dict.fromkeys(weights, dtype)
    )
    assert_same(read, weights, arguments)
    for path in weight_shapes(read.arguments):
        # But for what is below float16's least number.
        np.testing.assert_allclose(
            read(path).astype(dtype).astype("float64"),
            read(path),
            rtol=0,
            atol=2.0**-24,
        )


@pytest.mark.parametrize(
    ("switches", "kind", "found"),
    [
        ({"attention_scale": 0.25}, 0, "a query bias"),
        ({"attention_scale": 0.25}, 2, "a value bias"),
        ({"query_key_value_bias": False}, None, r"the scale 0\.2887"),
    ],
)
def test_16_bits_that_would_be_rounded_are_refused(switches, kind, found):
    weights = random_weights(BACKBONE)
    for index in range(3):
        bias = weights[f"decoder_block_{index}/query_key_value/bias"]
        bias.reshape(4, 3, 12)[:, [i for i in range(3) if i != kind]] = 0
    dtypes = dict.fromkeys(weights, "bfloat16")
    message = (
        "Attention whose weights have 16 bits must have no bias of queries or "
        "values, and a power of two as its scale, to be folded into them. "
        f"Received: decoder_block_0 in bfloat16 with {found}. Load the model "
        "with dtype='float32' to write it."
    )
    with pytest.raises(ValueError, match=f"^{message}$"):
        FoldedWeights(BACKBONE | switches, weights.__getitem__, dtypes)
