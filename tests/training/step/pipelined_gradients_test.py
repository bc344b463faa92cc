"""The schedule of a pipeline, against gradients on one device."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.ops import op_compilation
from keras_gpt3.training.step.gradient_noise_scale import NUM_NORM_SUMS
from keras_gpt3.training.step.gradient_noise_scale import with_micro_batch_norms
from keras_gpt3.training.step.replica_gradients import NUM_SUMS
from keras_gpt3.training.step.replica_gradients import replica_gradients
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import small_batch
from tests.training.small_training import new_model

SCALE = 8.0
FOUR = ("dense", "banded", "dense", "banded")
OBSERVED = {
    "observe": with_micro_batch_norms,
    "num_sums": NUM_SUMS + NUM_NORM_SUMS,
}


def make_model(stages, pattern=("dense", "banded"), prepare=None, **overrides):
    """A model compiled for micro-batches, on one device or in stages."""
    arguments = overrides.pop("arguments", {"micro_batch_size": 1})
    model = new_model(pattern=pattern, **overrides)
    if prepare is not None:
        prepare(model)
    # Zeros hide the adapters' other half.
    for variable in model.trainable_variables:
        if "lora" in variable.path:
            variable.assign(
                np.random.default_rng(0).normal(size=variable.shape)
            )
    model.compile("sgd", pipeline_stages=stages, **arguments)
    return model


def weighted_batch(rows=4):
    """A batch, and shares of its tokens: many are 0, those of a row all."""
    x, y = small_batch(rows)
    shares = np.random.default_rng(2).uniform(size=y.shape)
    shares[shares < 0.3] = 0
    shares[1:2] = 0
    return x, y, (shares / max(shares.sum(), 1e-9)).astype("float32")


def gradients_of(model, batch, **arguments):
    """The sums, and the gradients by the paths of their variables.

    Eagerly, which takes no time to trace.
    """
    compute = replica_gradients(model, **arguments)
    tf.config.run_functions_eagerly(True)
    try:
        return named(model, compute, batch)
    finally:
        tf.config.run_functions_eagerly(False)


def named(model, compute, batch):
    """Calls a function of a batch, and names the gradients."""
    batch = tf.nest.map_structure(tf.constant, batch)
    with op_compilation(False):  # Quicker here: there are many shapes.
        sums, gradients, logits = compute(*batch, tf.constant(SCALE))
    assert logits is None
    paths = [v.path for v in model.trainable_variables]
    gradients = map(tf.convert_to_tensor, gradients)
    return sums.numpy(), dict(zip(paths, gradients, strict=True))


def assert_same(received, expected, tolerance=1e-5):
    """Sums, and each gradient to a part of the largest norm of all."""
    np.testing.assert_allclose(received[0], expected[0], rtol=tolerance)
    norms = {path: np.linalg.norm(g) for path, g in expected[1].items()}
    assert received[1].keys() == norms.keys()
    for path, gradient in received[1].items():
        error = np.linalg.norm(gradient - expected[1][path])
        assert error <= tolerance * max(norms.values()), path


VARIANTS = {
    "half precision": {"dtype": "mixed_bfloat16"},
    "plain": {},
    "without micro-batches": {"arguments": {}},
    "rematerialized": {
        "arguments": {"micro_batch_size": 2, "rematerialization": "block"}
    },
    "dropout": {"dropout": 0.3},
    "another width": {"embedding_dim": 8},
    "norms behind": {"norm_first": False, "use_final_norm": False},
    "padding without position": {
        "skip_padding_positions": True,
        "position_offset": 1,
    },
    "frozen table": {
        "prepare": lambda m: setattr(
            m.backbone.token_embedding, "trainable", False
        )
    },
    "adapters": {"prepare": lambda m: m.backbone.enable_lora(2)},
    "adapters of the table": {
        "prepare": lambda m: m.backbone.enable_lora(2, ["token_embedding"])
    },
}


@pytest.mark.parametrize("name", VARIANTS)
@pytest.mark.quick_cases(2)
def test_gradients_and_norms_are_those_of_one_device(name):
    expected, received = (
        gradients_of(
            make_model(n, **VARIANTS[name]), weighted_batch(), **OBSERVED
        )
        for n in (1, 2)
    )
    # Sums of 8 bits, in another order.
    assert_same(received, expected, 2e-2 if "half" in name else 1e-5)


@pytest.mark.slow
def test_segments_reach_all_stages():
    (x, *others) = weighted_batch()
    ids = np.arange(LENGTH) // 3 + np.zeros((4, 1), "int32")
    segmented = (x | {"segment_ids": ids.astype("int32")}, *others)
    expected, received = (
        gradients_of(make_model(n), segmented) for n in (1, 2)
    )
    assert_same(received, expected)
    plain, _ = gradients_of(make_model(2), (x, *others))
    assert abs(plain[0] - received[0][0]) > 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("rows", [2, 9, 16])
def test_many_micro_batches_are_taken_in_groups(rows):
    """Of 8 at most: 9 are two groups of 5, one of them without a row."""
    expected, received = (
        gradients_of(make_model(n), weighted_batch(rows), **OBSERVED)
        for n in (1, 2)
    )
    assert_same(received, expected)


@pytest.mark.slow
def test_a_graph_takes_any_number_of_rows():
    model = make_model(2)
    ids = tf.TensorSpec((None, LENGTH), "int32")
    inputs = {
        "token_ids": ids,
        "padding_mask": tf.TensorSpec(ids.shape, "bool"),
    }
    weights = tf.TensorSpec(ids.shape, "float32")
    compute = tf.function(
        replica_gradients(model, **OBSERVED),
        [inputs, ids, weights, tf.TensorSpec(())],
        autograph=False,
    )
    batch = weighted_batch(9)
    expected = gradients_of(make_model(1), batch, **OBSERVED)
    assert_same(named(model, compute, batch), expected)
    sums, gradients = named(model, compute, weighted_batch(0))
    assert not np.any(sums)
    assert not any(np.any(gradient) for gradient in gradients.values())


def test_the_head_may_leave_out_tokens_without_a_weight():
    expected, received = (
        gradients_of(make_model(n), weighted_batch(), weighted_only=n > 1)
        for n in (1, 2)
    )
    assert_same(received, expected)
