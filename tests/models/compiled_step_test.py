import re

import keras
import pytest
import tensorflow as tf

from keras_gpt3.training import AdamW
from keras_gpt3.training import TrainingProgress
from keras_gpt3.training.step.compiled_step import CompiledStep
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model


@pytest.mark.parametrize(
    "loss, metrics, weighted_metrics, own_loss, fused",
    [
        ("auto", None, "auto", True, True),
        ("mse", None, "auto", False, False),
        (None, None, "auto", False, False),
        ("auto", ["accuracy"], "auto", True, False),
        ("auto", None, ["accuracy"], True, False),
        ("auto", None, None, True, True),
        ("auto", [], [], True, True),
    ],
)
def test_the_package_s_own_loss_is_used_unless_another_is_given(
    loss, metrics, weighted_metrics, own_loss, fused
):
    step = CompiledStep.choose(loss, metrics, weighted_metrics, "auto")
    assert step.own_loss is own_loss
    assert step.is_fused is fused
    assert ("loss" in step.compile_arguments()) is own_loss


@pytest.mark.parametrize(
    "jit_compile, gpus, expected",
    [
        (True, [], True),
        (False, ["GPU:0"], False),
        ("auto", [], False),
        ("auto", ["GPU:0"], True),
    ],
)
def test_xla_compiles_the_whole_step_on_a_gpu_or_when_asked(
    jit_compile, gpus, expected, monkeypatch
):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: gpus)
    platform = "gpu" if gpus else "cpu"
    monkeypatch.setattr("jax.default_backend", lambda: platform)
    step = CompiledStep.choose("auto", None, "auto", jit_compile)
    assert step.jit_compile_step is expected
    assert step.compile_arguments()["jit_compile"] == jit_compile


def test_progress_comes_before_the_callbacks_of_the_user():
    step = CompiledStep.choose("auto", None, "auto", "auto")
    theirs = keras.callbacks.Callback()
    for given, expected in (
        (None, []),
        (theirs, [theirs]),
        ([theirs], [theirs]),
        ((theirs,), [theirs]),
    ):
        first, *others = step.with_progress(given)
        assert type(first) is TrainingProgress
        assert others == expected


def test_progress_is_left_out_where_nothing_counts_tokens():
    step = CompiledStep.choose("mse", None, "auto", "auto")
    assert step.with_progress(None) is None
    step = CompiledStep.choose("auto", None, "auto", "auto")
    callbacks = keras.callbacks.CallbackList([])
    assert step.with_progress(callbacks) is callbacks


@pytest.mark.parametrize("name", ["loss", "weighted_metrics"])
def test_a_model_compiled_with_its_own_has_no_tracker_of_the_step(name):
    model = small_model(num_layers=1)
    names = [metric.name for metric in model.compiled_step.metrics]
    assert names == ["accuracy", "perplexity"]
    arguments = {name: "mse" if name == "loss" else ["mse"]}
    model.compile("sgd", **arguments)
    assert model.compiled_step.metrics == []


@pytest.mark.parametrize("change", ["enable_lora", "freeze"])
@pytest.mark.quick_cases(1)
def test_other_weights_than_at_compile_are_not_trained_in_silence(change):
    model = small_model(num_layers=1)
    model.compile("sgd")
    x, y = small_batch()
    model.train_on_batch(x, y)
    if change == "enable_lora":
        model.backbone.enable_lora(2)
    else:
        model.backbone.final_norm.trainable = False
    wanted = len(model.trainable_variables)
    message = (
        "The weights to train must be those that the model was compiled for. "
        f"Received: {wanted} trainable variables, an optimizer of "
        f"{len(model.optimizer._trainable_variables)}. Call compile again "
        "after enable_lora, merge_lora or a change of trainable."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.fit(x, y, verbose=0)
    model.compile("sgd")
    model.fit(x, y, verbose=0)


# Keras warns of the embeddings, which have no such mode.
in_float8 = pytest.mark.filterwarnings("ignore:Invalid quantization mode")


@in_float8
@pytest.mark.parametrize("micro_batch_size", [None, 1])
def test_a_model_in_float8_is_not_trained_in_silence(micro_batch_size):
    model = quantize(small_model(num_layers=1), mode="float8")
    # It may be compiled, to generate with a sampler.
    model.compile("sgd", micro_batch_size=micro_batch_size)
    message = (
        "A model must not be in float8 to be trained: its scales are no "
        "weights. Received: decoder_block_0/query_key_value/inputs_scale. "
        "Train in mixed_bfloat16, and call quantize after."
    )
    x, y = small_batch()
    for train in (model.fit, model.train_on_batch):
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            train(x, y)


@in_float8
def test_a_model_that_was_quantized_to_float8_after_a_step_is_refused():
    model = small_model(num_layers=1)
    model.compile("sgd")
    model.train_on_batch(*small_batch())
    quantize(model, mode="float8")
    with pytest.raises(ValueError, match="^A model must not be in float8"):
        model.train_on_batch(*small_batch())


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_weights_in_float16_are_not_trained_in_silence(optimizer):
    model = small_model(num_layers=1, dtype="float16")
    model.compile(optimizer)
    message = (
        "Weights must not be float16 to be trained: their range is too small. "
        "Received: token_embedding/embeddings in float16. Use mixed_bfloat16 "
        "or mixed_float16, whose weights are float32."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.fit(*small_batch())


@pytest.mark.parametrize("dtype", ["mixed_float16", "bfloat16"])
def test_other_weights_of_a_model_in_16_bits_are_trained(dtype):
    model = small_model(num_layers=1, dtype=dtype)
    model.compile(AdamW())
    for _ in range(2):
        model.train_on_batch(*small_batch())
    for variable in model.trainable_variables:
        value = keras.ops.cast(variable.value, "float32")
        assert keras.ops.all(keras.ops.isfinite(value)), variable.path
