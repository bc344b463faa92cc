import numpy as np
import pytest

from keras_gpt3.layers.embeddings import PaddedEmbedding
from keras_gpt3.training import AdamW
from tests.parallel.meshes import distributed
from tests.parallel.meshes import new_model
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

pytestmark = pytest.mark.backend("jax", reason="the step under JAX")


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
