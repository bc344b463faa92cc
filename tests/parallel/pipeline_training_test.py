"""`compile(pipeline_stages=...)`, from the model down to its devices."""

import functools
import logging
import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.argument_checks import log_once
from keras_gpt3.ops import op_compilation
from keras_gpt3.parallel.pipeline_stages import variable_devices
from keras_gpt3.training.step.compiled_step import CompiledStep
from keras_gpt3.training.step.monitored_step import monitored_step
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model
from tests.training.small_training import assert_same_weights
from tests.training.small_training import even_batches
from tests.training.small_training import even_dataset
from tests.training.small_training import new_model
from tests.training.small_training import uneven_dataset

pytestmark = pytest.mark.backend("tensorflow", reason="places on devices")
FOUR = ("dense", "banded", "dense", "banded")


def in_stages(stages, **more):
    return lambda: {"pipeline_stages": stages, "micro_batch_size": 1} | more


def trained(replicas, stages, steps=20):
    model = new_model(replicas, "adamw", FOUR, in_stages(stages))
    model.fit(even_dataset(steps), verbose=0)
    return model


@functools.cache
def on_one_device():
    with op_compilation(False):
        return trained(1, 1)


@pytest.mark.parametrize("replicas, stages", [(1, 2), (1, 4), (2, 2), (2, 4)])
@pytest.mark.slow
def test_twenty_steps_are_the_same_in_stages(replicas, stages):
    # Once with the operations that XLA compiles, for devices of their own.
    with op_compilation(stages * replicas == 2):
        model = trained(replicas, stages)
    assert_same_weights(model, on_one_device())
    first = model.backbone.final_norm.gamma
    (*_, last) = model.backbone.decoder_blocks[-1].variables
    assert variable_devices(first)[0] == "/device:CPU:0"
    device = (stages - 1) * replicas
    assert variable_devices(last)[0] == f"/device:CPU:{device}"


@pytest.mark.slow
def test_uneven_batches_with_weights_count_by_token_on_replicas_of_stages():
    """A replica has two rows or three, then none; the step knows no sizes."""
    batches = [(*batch, w) for batch, w in weighted_batches()]
    models = []
    for replicas, stages in ((1, 1), (2, 2)):
        model = new_model(replicas, "adamw", arguments=in_stages(stages))
        with op_compilation(False):
            model.fit(uneven_dataset(batches), verbose=0)
        models.append(model)
    assert_same_weights(*models)


def weighted_batches():
    for seed, rows in enumerate((5, 5, 1)):
        batch = small_batch(rows, seed)
        weights = np.random.default_rng(seed).uniform(size=batch[1].shape)
        yield batch, np.where(weights < 0.3, 0, weights).astype("float32")


@pytest.mark.slow
def test_a_loss_scale_is_taken_off_gradients_on_all_devices():
    models = []
    for stages in (1, 2):
        model = new_model(dtype="mixed_float16")
        optimizer = keras.optimizers.SGD(0.3, global_clipnorm=0.65)
        model.compile(optimizer, **in_stages(stages)())
        with op_compilation(False):
            model.fit(even_dataset(2), verbose=0)
        models.append(model)
    for weight, other in zip(*(m.get_weights() for m in models), strict=True):
        # A step of float16 in the gradients.
        np.testing.assert_allclose(weight, other, atol=2e-4)


@pytest.mark.slow
@pytest.mark.parametrize("is_finite", [True, False])
def test_a_guarded_step_of_a_run_tells_the_same_on_replicas_of_stages(
    is_finite,
):
    results, models = [], []
    x, y, _ = even_batches(1)[0]
    for replicas, stages in ((1, 1), (2, 2)):
        model = new_model(replicas, "adamw", arguments=in_stages(stages))
        if not is_finite:
            model.backbone.final_norm.beta.assign([np.inf] * 16)
        model.compiled_step.prepare_optimizer(model)
        strategy = model.distribute_strategy
        data = tf.data.Dataset.from_tensors((x, y)).unbatch().batch(4, True)
        batch = next(iter(strategy.experimental_distribute_dataset(data)))
        run = tf.function(strategy.run, autograph=False)
        with op_compilation(False):
            result = run(monitored_step, args=(model, batch, tf.zeros(1)))
        results.append(
            {
                name: strategy.experimental_local_results(value)[0].numpy()
                for name, value in result.items()
            }
        )
        models.append(model)
    assert results[0]["applied"] == is_finite
    for name, value in results[0].items():
        np.testing.assert_allclose(results[1][name], value, rtol=1e-5)
    if is_finite:
        assert_same_weights(*models)


def operation_devices(graph, caller=None):
    """Pairs of the type of each operation and the number of its device.

    What a function does not place is placed with its call.
    """
    for operation in graph.get_operations():
        spec = tf.DeviceSpec.from_string(operation.device)
        index = caller if spec.device_index is None else spec.device_index
        yield operation.type, index
        if "PartitionedCall" in operation.type:
            name = operation.get_attr("f").name
            yield from operation_devices(graph._functions[name].graph, index)


def test_products_sums_and_updates_are_on_the_devices_of_the_stages():
    model = new_model(1, "adamw", FOUR, in_stages(4))
    model.compiled_step.prepare_optimizer(model)
    batch = tf.nest.map_structure(tf.constant, even_batches(1)[0])
    with op_compilation(False):
        step = tf.function(model.train_step, autograph=False)
        graph = step.get_concrete_function(batch).graph
    found = list(operation_devices(graph))
    counts = {
        kind: [found.count((kind, device)) for device in (None, 0, 1, 2, 3)]
        for kind in ("BatchMatMulV2", "MatMul", "L2Loss", "ResourceApplyAdam")
    }
    weights = [
        len([v for v in model.trainable_variables if f"block_{n}" in v.path])
        for n in range(4)
    ]
    weights[0] += 4  # The embeddings and the final norm.
    assert counts["L2Loss"] == counts["ResourceApplyAdam"] == [0, *weights]
    for kind in ("BatchMatMulV2", "MatMul"):
        assert counts[kind][0] == 0
        assert all(counts[kind][1:])
    assert len(set(counts["BatchMatMulV2"][1:])) == 1


@pytest.mark.slow
def test_a_model_in_stages_answers_and_scores_as_before():
    staged, plain = small_text_model(), small_text_model()
    plain.compile("sgd", sampler="greedy")
    (x, y), prompts = small_batch(), ["hello", "a"]
    for stages in (2, 1):
        # Answered before it moves, or an old graph would go unnoticed.
        staged.generate(prompts, max_length=10)
        staged.score("hello", " world")
        staged.predict(x, verbose=0)
        staged.compile("sgd", sampler="greedy", pipeline_stages=stages)
        plain.set_weights([1.5 * w for w in plain.get_weights()])
        staged.set_weights(plain.get_weights())
        for function in (
            lambda model: model.predict(x, verbose=0),
            lambda model: model.evaluate(x, y, verbose=0),
            lambda model: model.score("hello", " world").log_likelihood,
        ):
            np.testing.assert_allclose(
                function(staged), function(plain), rtol=1e-5, atol=1e-6
            )
        answers = [
            model.generate(prompts, max_length=10) for model in (staged, plain)
        ]
        assert answers[0] == answers[1]


def test_weights_are_saved_and_loaded_in_stages(tmp_path):
    path = tmp_path / "model.weights.h5"
    plain, staged = small_model(), small_model()
    staged.compile("sgd", pipeline_stages=2)
    plain.save_weights(path)
    staged.load_weights(path)
    assert_same_weights(staged, plain)
    staged.set_weights([w + 1 for w in staged.get_weights()])
    staged.save_weights(path)
    plain.load_weights(path)
    assert_same_weights(staged, plain)


@pytest.mark.slow
def test_a_saved_model_is_loaded_on_one_device(tmp_path):
    model = new_model(1, "adamw", arguments=in_stages(2))
    model.fit(even_dataset(1), verbose=0)
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert_same_weights(loaded, model)
    assert loaded.compiled_step.pipeline_stages == 1
    assert {variable_devices(v) for v in loaded.weights} == {("/device:CPU:0",)}


@pytest.mark.parametrize("before, after", [(1, 2), (2, 1), (2, 2)])
@pytest.mark.quick_cases(1)
def test_a_checkpoint_fits_any_number_of_stages(tmp_path, before, after):
    def make(stages, seed):
        keras.utils.set_random_seed(seed)
        model = small_model()
        model.compile("adam", **in_stages(stages)())
        model.compiled_step.prepare_optimizer(model)
        return model, tf.train.Checkpoint(
            model=model, optimizer=model.optimizer
        )

    model, checkpoint = make(before, seed=0)
    with op_compilation(False):
        model.fit(even_dataset(1), verbose=0)
    path = checkpoint.save(tmp_path / "checkpoint")
    restored, other = make(after, seed=1)
    other.restore(path).assert_consumed()
    assert_same_weights(restored, model)
    pairs = zip(
        restored.optimizer.variables, model.optimizer.variables, strict=True
    )
    for variable, expected in pairs:
        np.testing.assert_array_equal(variable, expected)


def raises(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")


def test_an_optimizer_with_slots_elsewhere_raises_and_nothing_moves():
    model = new_model(1, "adamw")
    model.compiled_step.prepare_optimizer(model)
    step = model.compiled_step
    with raises(
        "optimizer must be new where compile moves weights, for its slots lie "
        "beside them. Received: optimizer.built=True, pipeline_stages=2. Pass "
        "another one."
    ):
        model.compile(model.optimizer, pipeline_stages=2)
    assert model.compiled_step is step
    assert {variable_devices(v) for v in model.weights} == {("/device:CPU:0",)}
    model.compile("sgd", pipeline_stages=2)
    model.compiled_step.prepare_optimizer(model)
    model.compile(model.optimizer, pipeline_stages=2)  # Nothing moves.


@pytest.mark.parametrize("arguments", [{"loss": "mse"}, {"metrics": ["mse"]}])
def test_a_loss_or_metrics_of_one_s_own_raise(arguments):
    with raises(
        "pipeline_stages must be 1 with a loss or metrics of your own. "
        "Received: pipeline_stages=2. Leave the loss and metrics out of "
        "compile()."
    ):
        small_model().compile("sgd", pipeline_stages=2, **arguments)


@pytest.mark.parametrize(
    "arguments",
    [
        {"rematerialization": "bogus"},
        {"sampler": "bogus"},
        {"optimizer": "bogus"},
        {"pipeline_stages": 3},
    ],
)
@pytest.mark.quick_cases(1)
def test_a_compile_that_is_refused_moves_nothing(arguments):
    model = small_model()
    model.compile("sgd")
    with op_compilation(False):
        model.fit(even_dataset(1), verbose=0)
        with pytest.raises(ValueError, match="."):
            model.compile(**{"pipeline_stages": 2} | arguments)
        assert {variable_devices(v) for v in model.weights} == {
            ("/device:CPU:0",)
        }
        model.fit(even_dataset(1), verbose=0)


@pytest.mark.parametrize("quantized_after", ["compile", "fit"])
def test_a_quantized_head_raises(quantized_after):
    model = small_text_model(num_layers=2)
    if quantized_after == "fit":
        model.compile("sgd", pipeline_stages=2)
    quantize(model, mode="int8")
    with raises(
        "pipeline_stages must be 1 with a quantized head. Received: "
        "pipeline_stages=2, mode='int8'. Use micro_batch_size alone."
    ):
        if quantized_after == "compile":
            model.compile("sgd", pipeline_stages=2)
        else:
            model.fit(*small_batch(), verbose=0)


def test_a_model_that_comes_back_to_one_device_has_no_stages():
    model = small_model()
    for stages in (2, 1):
        model.compile("sgd", pipeline_stages=stages)
        assert len(model.compiled_step.stages) == stages * (stages > 1)


def test_xla_for_the_whole_step_raises():
    with raises(
        "pipeline_stages must be 1 where XLA compiles the whole step, for one "
        "device. Received: pipeline_stages=2, jit_compile=True. Leave "
        "jit_compile out of compile()."
    ):
        small_model().compile("sgd", pipeline_stages=2, jit_compile=True)


@pytest.mark.parametrize("jit_compile", [False, None])
def test_a_step_that_xla_does_not_compile_may_have_stages(jit_compile):
    small_model().compile("sgd", pipeline_stages=2, jit_compile=jit_compile)


def test_xla_compiles_no_whole_step_of_stages_on_gpus(monkeypatch):
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: [kind])
    choose = functools.partial(
        CompiledStep.choose, "auto", None, "auto", "auto"
    )
    assert choose(pipeline_stages=1).jit_compile_step
    assert not choose(pipeline_stages=2).jit_compile_step


@pytest.mark.parametrize("micro_batch_size", [None, 1])
def test_a_pipeline_without_micro_batches_is_mentioned(
    micro_batch_size, caplog
):
    log_once.cache_clear()
    model = small_model()
    with caplog.at_level(logging.WARNING, "keras_gpt3"):
        for _ in range(2):
            model.compile(
                "sgd", pipeline_stages=2, micro_batch_size=micro_batch_size
            )
    expected = [
        "A pipeline without micro-batches has one stage at work at a time. "
        "Give micro_batch_size to compile() so that all are."
    ]
    assert caplog.messages == ([] if micro_batch_size else expected)
