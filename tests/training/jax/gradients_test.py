import functools

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3 import GPT3
from keras_gpt3.layers.embeddings import PaddedEmbedding
from keras_gpt3.training import AdamW
from tests.parallel.meshes import distributed
from tests.parallel.meshes import new_model
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.training.numpy_gradients import check_step

# === Jax gradients ===


pytestmark = pytest.mark.backend("jax", reason="the step under JAX")

SCALE = 3.0


def normalized_loss_weights(y):
    """Weights of tokens, a row of padding among them, that sum to 1."""
    weights = np.random.default_rng(1).uniform(size=y.shape)
    weights[1] = 0.0
    return (weights / weights.sum()).astype("float32")


def values(variables):
    return [ops.copy(variable.value) for variable in variables]


def equal_shares(y):
    return np.full(y.shape, 1 / y.size, "float32")


def compute(model, data=None, shares=normalized_loss_weights):
    """Loss and gradients of a batch, and the seeds after it."""
    import jax

    from keras_gpt3.training.jax.gradients import batch_gradients

    x, y = small_batch() if data is None else data
    batch = keras.tree.map_structure(ops.convert_to_tensor, (x, y, shares(y)))
    function = jax.jit(functools.partial(batch_gradients, model))
    sums, gradients, others = function(
        values(model.trainable_variables),
        values(model.non_trainable_variables),
        batch,
        ops.convert_to_tensor(SCALE),
    )
    return np.asarray(sums), [np.asarray(g) for g in gradients], others


@pytest.mark.parametrize(
    ("shape", "micro_batch_size", "options"),
    [
        (None, None, {}),
        (None, 2, {}),
        ((2, 2), None, {}),
        ((2, 2), 1, {}),
        ((1, 4), 1, {}),
        ((2, 2), 1, {"shard_weights": True}),
        ((4, 1), None, {"shard_optimizer": True}),
    ],
)
@pytest.mark.quick_cases(3)
def test_sums_and_gradients_are_those_of_plain_numpy(
    shape, micro_batch_size, options
):
    with distributed(shape, **options):
        check(new_model(micro_batch_size), 1e-5)


@pytest.mark.parametrize("pattern", ["dense", "banded"])
@pytest.mark.parametrize("micro_batch_size", [None, 2])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    # Float32 sums, and bfloat16, which rounds products to 1/256.
    [("float32", 1e-5), ("mixed_bfloat16", 0.03)],
)
@pytest.mark.quick_cases(4)
def test_so_are_those_of_each_pattern_and_policy(
    dtype, tolerance, micro_batch_size, pattern
):
    overrides = {"num_layers": 1, "attention_pattern": (pattern,)}
    check(new_model(micro_batch_size, dtype=dtype, **overrides), tolerance)


def check(model, tolerance):
    x, y = small_batch()
    sums, gradients, _ = compute(model)
    gradients = [gradient / SCALE for gradient in gradients]
    batch = x, y, normalized_loss_weights(y)
    check_step(model, batch, sums, gradients, tolerance)


@pytest.mark.parametrize("options", [{}, {"shard_weights": True}])
@pytest.mark.quick_cases(1)
def test_parts_of_a_batch_have_segments_of_their_own(options):
    x, y = small_batch()
    ids = [np.arange(LENGTH) // size for size in (2, 3, 5, 8)]
    data = (x | {"segment_ids": np.stack(ids).astype("int32")}, y)
    expected, gradients, _ = compute(new_model(), data)
    with distributed((2, 2), **options):
        received, others, _ = compute(new_model(1), data)
    np.testing.assert_allclose(received, expected, rtol=1e-5)
    most = max(map(np.linalg.norm, gradients))
    for other, gradient in zip(others, gradients, strict=True):
        error = other[: len(gradient)] - gradient
        assert np.linalg.norm(error) <= 1e-5 * most


@pytest.mark.parametrize(
    ("shape", "micro_batch_size"), [((2, 1), None), (None, ROWS // 2)]
)
@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.quick_cases(2)
def test_equal_parts_or_micro_batches_drop_different_entries(
    shape, micro_batch_size, dropout
):
    """With equal masks the mean over two equal halves is that over one."""
    half = small_batch(rows=ROWS // 2)
    twice = keras.tree.map_structure(lambda x: np.concatenate([x, x]), half)
    expected = compute(new_model(dropout=dropout), half, equal_shares)[0][0]
    with distributed(shape):
        model = new_model(micro_batch_size, dropout=dropout)
        before = [np.asarray(v.value) for v in model.non_trainable_variables]
        sums, _, others = compute(model, twice, equal_shares)
    is_same = abs(sums[0] - expected) <= 1e-5 * expected
    assert is_same == (dropout == 0.0)
    draws = 1 if micro_batch_size is None else 2
    if dropout:  # The first one is that of the embeddings.
        np.testing.assert_array_equal(others[0], before[0] + [0, draws])


def test_a_batch_that_the_mesh_does_not_divide():
    with distributed((4, 1)), pytest.raises(ValueError, match="rows=6, batch"):
        compute(new_model(), small_batch(rows=6))


def test_micro_batches_that_do_not_divide_the_part_of_a_device():
    with (
        distributed((2, 1)),
        pytest.raises(ValueError, match="Received: rows=2, micro_batch_size=4"),
    ):
        compute(new_model(micro_batch_size=4))


# === Jax quantized head ===


def quantized_model(micro_batch_size=None):
    """A model with an int8 head, whose adapters alone can be trained."""
    model = small_model(num_layers=1, dropout=0.0)
    model.backbone.enable_lora(2)
    for number, variable in enumerate(model.trainable_variables):
        noise = np.random.default_rng(number).normal(size=variable.shape)
        variable.assign(0.1 * noise)
    quantize(model, mode="int8")
    model.compile(AdamW(1e-2), micro_batch_size=micro_batch_size)
    return model


def rows_of_logits(model, monkeypatch):
    """Trains on a batch; the rows of each pass to logits as it is traced."""
    rows, call = set(), type(model).call

    def watched(self, inputs, *args, **kwargs):
        rows.add(inputs["token_ids"].shape[0])
        return call(self, inputs, *args, **kwargs)

    monkeypatch.setattr(type(model), "call", watched)
    model.train_on_batch(*small_batch())
    monkeypatch.undo()
    return rows


def test_a_quantized_head_takes_micro_batches(monkeypatch):
    whole, micro_batches = quantized_model(), quantized_model(1)
    start = [np.asarray(v.value) for v in whole.trainable_variables]
    for variable, value in zip(
        micro_batches.weights, whole.weights, strict=True
    ):
        variable.assign(np.array(value))
    assert rows_of_logits(whole, monkeypatch) == {4}
    assert rows_of_logits(micro_batches, monkeypatch) == {1}
    for weight, other, first in zip(
        whole.trainable_variables,
        micro_batches.trainable_variables,
        start,
        strict=True,
    ):
        assert np.any(weight.value != first)
        np.testing.assert_allclose(weight.value, other.value, atol=1e-5)


def test_the_table_of_a_head_has_its_rows_of_padding():
    from keras_gpt3.training.jax.gradients import output_table

    assert output_table(new_model().backbone).shape[0] == 61
    with distributed((1, 2)):
        model = new_model()
    assert isinstance(model.backbone.token_embedding, PaddedEmbedding)
    assert output_table(model.backbone).shape[0] == 128


def test_files_are_the_same_with_rows_of_padding_and_without(tmp_path):
    with distributed((1, 2)):
        padded = new_model()
        padded.save_to_preset(tmp_path / "padded")
    alone = GPT3.from_preset(tmp_path / "padded")
    alone.save_to_preset(tmp_path / "alone")
    with distributed((1, 2)):
        again = GPT3.from_preset(tmp_path / "alone")
    assert isinstance(again.backbone.token_embedding, PaddedEmbedding)
    for weight, *others in zip(
        alone.weights, padded.weights, again.weights, strict=True
    ):
        for other in others:
            rows = np.asarray(other)[: weight.shape[0]]
            np.testing.assert_array_equal(weight, rows)
