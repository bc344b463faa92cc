"""`model_file_test` runs them exported; here, as plain functions."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export.step_signatures import StepSignatures
from keras_gpt3.ops import op_compilation
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch


@pytest.fixture
def step():
    """A backbone, and its functions with a cache of 10."""
    backbone = small_backbone()
    return backbone, StepSignatures(backbone, 10)


def test_a_prompt_has_the_logits_and_the_cache_of_whole_passes(step):
    backbone, signatures = step
    ids = small_batch(rows=2)[0]["token_ids"]
    prefill, _ = signatures.prefill()
    extend, specs = signatures.extend()
    with op_compilation(False):
        whole = backbone.logits(backbone(as_inputs(ids)))[:, -1]
        first = prefill(tf.constant(ids[:, :5]))
        rings = [first[f"next_{spec.name}"] for spec in specs[2:]]
        last = extend(tf.constant(ids[:, 5:]), tf.constant(5), *rings)
    np.testing.assert_allclose(last["logits"], whole, atol=1e-5)
    # The banded layer's rings have its window.
    assert [ring.shape[2] for ring in rings] == [10, 10, 4, 4]


@pytest.mark.parametrize("length, is_known", [(10, True), (11, False)])
def test_logits_are_nan_beyond_the_cache(length, is_known, step):
    prefill, _ = step[1].prefill()
    with op_compilation(False):
        logits = prefill(tf.ones((1, length), tf.int32))["logits"]
    assert np.isfinite(logits).all() == is_known
    assert np.isnan(logits).all() != is_known
