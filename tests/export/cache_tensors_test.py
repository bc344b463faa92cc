"""A cache to four tensors and back."""

import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export import token_signatures
from keras_gpt3.ops.graph_assertion import one_line_errors
from tests.small_gpt3 import small_backbone

PATTERNS = [
    ("dense", "banded"),
    ("banded", "dense", "dense"),
    ("dense",),
    ("banded",),
]


def cache_of(pattern):
    """A backbone and a cache in which every number is its own."""
    backbone = small_backbone(attention_pattern=pattern, num_layers=3)
    generator = np.random.default_rng(0)
    cache = [
        tuple(
            tf.constant(generator.normal(size=x.shape), x.dtype) for x in pair
        )
        for pair in backbone.make_cache(2, 9)
    ]
    return backbone, cache


@pytest.mark.parametrize("pattern", PATTERNS)
def test_a_cache_comes_back_as_it_was(pattern):
    backbone, cache = cache_of(pattern)
    tensors = token_signatures.stack_cache(backbone, cache, 2, 9)
    again = token_signatures.unstack_cache(backbone, tensors, 2)
    assert len(again) == len(cache)
    for pair, expected in zip(again, cache, strict=True):
        for x, y in zip(pair, expected, strict=True):
            np.testing.assert_array_equal(x, y)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_tensors_have_the_shapes_of_the_signature(pattern):
    backbone, cache = cache_of(pattern)
    tensors = token_signatures.stack_cache(backbone, cache, 2, 9)
    specs = token_signatures.cache_specs(backbone)
    assert [spec.name for spec in specs] == list(tensors)
    for spec in specs:
        assert spec.is_compatible_with(tensors[spec.name])
    # A banded layer has as many slots as its window, 4.
    assert tensors["dense_keys"].shape[3] == 9
    assert tensors["banded_values"].shape[3] == 4


def test_a_cache_of_other_rows_is_refused():
    backbone, cache = cache_of(("dense", "banded"))
    tensors = token_signatures.stack_cache(backbone, cache, 2, 9)
    message = (
        "dense_keys must have the rows of token_ids. Received: rows=2. Pass "
        "the cache that prefill or extend gave for these rows."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        with one_line_errors():
            # In a graph, where alone the check has one line.
            tf.function(token_signatures.unstack_cache)(backbone, tensors, 3)
