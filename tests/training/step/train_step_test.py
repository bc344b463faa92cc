import logging
import types

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3 import GPT3
from keras_gpt3.argument_checks import log_once
from keras_gpt3.ops import op_compilation
from keras_gpt3.ops import token_chunks
from keras_gpt3.training import AdamW
from keras_gpt3.training.step import metrics
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.training.slow_training import slow_training
from tests.training.small_training import CLIP
from tests.training.small_training import OPTIMIZERS
from tests.training.small_training import assert_same_weights
from tests.training.small_training import even_batches
from tests.training.small_training import even_dataset
from tests.training.small_training import new_model
from tests.training.small_training import uneven_dataset

# === Equal to one device ===


@pytest.mark.parametrize(
    "optimizer, pattern",
    [("adamw", ("dense", "banded")), ("momentum", ("dense",))],
)
@pytest.mark.quick_cases(1)
def test_twenty_steps_are_the_same_on_one_and_two_replicas(optimizer, pattern):
    expected = new_model(pattern=pattern)
    seen = slow_training(expected, OPTIMIZERS[optimizer](), even_batches(20))
    assert np.sum(seen["norm"] > 1.01 * CLIP[optimizer]) >= 5
    assert np.sum(seen["norm"] < 0.99 * CLIP[optimizer]) >= 5
    models = []
    for replicas in (1, 2):
        model = new_model(replicas, optimizer, pattern)
        history = model.fit(
            even_dataset(20), epochs=20, steps_per_epoch=1, verbose=0
        ).history
        np.testing.assert_allclose(history["loss"], seen["loss"], rtol=1e-5)
        np.testing.assert_allclose(
            history["accuracy"], seen["accuracy"], atol=1e-6
        )
        assert_same_weights(model, expected)
        models.append(model)
    assert_same_weights(*models)


def random_weights(kind, y, seed):
    """Weights of tokens, some of them 0, or of rows."""
    weights = np.random.default_rng(seed).uniform(size=y.shape)
    weights = np.where(weights < 0.3, 0, weights).astype("float32")
    return weights if kind == "tokens" else weights[:, 0]


def weighted_batches(kind):
    """Uneven batches with weights, and the same with weights of tokens.

    Five rows are three and two; the last one leaves a replica empty.
    """
    batches = []
    for seed, rows in enumerate((5, 5, 1)):
        x, y = small_batch(rows, seed)
        batches.append((x, y, random_weights(kind, y, seed + 4)))
    assert batches[-1][-1].sum() > 0
    return batches, [
        (x, y, np.broadcast_to(w.T, y.T.shape).T if kind == "rows" else w)
        for x, y, w in batches
    ]


@pytest.mark.parametrize("kind", ["tokens", "rows"])
@pytest.mark.quick_cases(1)
def test_weights_and_uneven_batches_count_by_token(kind, monkeypatch):
    now = iter(range(100))
    clock = types.SimpleNamespace(perf_counter=lambda: next(now))
    monkeypatch.setattr(metrics, "time", clock)
    batches, full = weighted_batches(kind)
    expected = new_model(pattern=("dense",))
    seen = slow_training(expected, OPTIMIZERS["adamw"](), full)
    model = new_model(2, "adamw", pattern=("dense",))
    with op_compilation(False):  # Quicker here: there are many shapes.
        history = model.fit(uneven_dataset(batches), verbose=0).history
    assert_same_weights(model, expected)
    for name in ("loss", "accuracy"):
        mean = np.average(seen[name], weights=seen["weight"])
        assert history[name] == [pytest.approx(mean, rel=1e-5)]
    last = float(model.optimizer._learning_rate(2))
    assert history["learning_rate"] == [pytest.approx(last)]
    # One second a batch by the clock above; the first batch does not count.
    rate = seen["weight"][1:].sum() / 2
    assert history["tokens_per_second"] == [pytest.approx(rate)]


def test_evaluation_counts_by_token_too():
    batches, full = weighted_batches("tokens")
    expected = new_model(pattern=("dense",))
    # Trained, so that it guesses some of the tokens.
    slow_training(expected, keras.optimizers.Adam(0.01), full)
    seen = slow_training(expected, keras.optimizers.SGD(0.0), full)
    assert seen["accuracy"].any()
    model = new_model(2, "adamw", pattern=("dense",))
    model.set_weights(expected.get_weights())
    with op_compilation(False):
        evaluated = model.evaluate(
            uneven_dataset(batches), return_dict=True, verbose=0
        )
    assert set(evaluated) == {"loss", "accuracy", "perplexity"}
    for name in ("loss", "accuracy"):
        mean = np.average(seen[name], weights=seen["weight"])
        assert evaluated[name] == pytest.approx(mean, rel=1e-5)
    # Of all tokens, not the mean of the perplexities of the batches.
    perplexity = np.exp(evaluated["loss"])
    assert evaluated["perplexity"] == pytest.approx(perplexity, rel=1e-5)


def test_a_batch_given_by_hand_counts_once_though_each_replica_gets_it():
    expected = new_model(pattern=("dense",))
    seen = slow_training(expected, OPTIMIZERS["adamw"](), even_batches(1))
    model = new_model(2, "adamw", pattern=("dense",))
    x, y = small_batch()
    for function in (model.test_on_batch, model.train_on_batch):
        logs = function(x, y, return_dict=True)
        for name in ("loss", "accuracy"):
            assert logs[name] == pytest.approx(seen[name][0], rel=1e-5)
    assert_same_weights(model, expected)


def test_a_batch_without_weight_changes_nothing():
    model = new_model(1, "momentum")
    before = model.get_weights()
    x, y = small_batch()
    logs = model.train_on_batch(
        x, y, sample_weight=np.zeros(y.shape), return_dict=True
    )
    assert logs["loss"] == 0
    for value, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, other)


# === A loss of one's own ===


def own_loss_and_metrics():
    return {
        "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        "weighted_metrics": [keras.metrics.SparseCategoricalAccuracy("right")],
    }


@pytest.mark.slow
def test_keras_own_loss_and_metrics_give_the_same_model():
    """Three rows are two and one; the last one leaves a replica empty."""
    batches = [small_batch(rows, seed=rows) for rows in (4, 3, 1)]
    expected = new_model(pattern=("banded",))
    seen = slow_training(
        expected,
        OPTIMIZERS["momentum"](),
        [(x, y, np.ones(y.shape)) for x, y in batches],
    )
    assert seen["norm"].max() > CLIP["momentum"]
    model = new_model(
        2, "momentum", pattern=("banded",), arguments=own_loss_and_metrics
    )
    history = model.fit(uneven_dataset(batches), verbose=0).history
    assert_same_weights(model, expected)
    for name, of in (("loss", "loss"), ("right", "accuracy")):
        mean = np.average(seen[of], weights=seen["weight"])
        assert history[name] == [pytest.approx(mean, rel=1e-5)]
    assert history["learning_rate"] == [pytest.approx(0.3)]
    assert "accuracy" not in history


@pytest.mark.slow
@pytest.mark.parametrize("reduction", ["mean_with_sample_weight", "sum"])
def test_a_loss_of_any_reduction_is_the_same_on_one_and_two_replicas(reduction):
    """Uneven rows and weights; the last batch leaves a replica empty."""
    batches, _ = weighted_batches("tokens")
    histories, evaluated, models = [], [], []
    for replicas in (1, 2):
        model = new_model(
            replicas,
            "momentum",
            pattern=("dense",),
            arguments=lambda: {
                "loss": keras.losses.SparseCategoricalCrossentropy(
                    from_logits=True, reduction=reduction
                )
            },
        )
        with op_compilation(False):
            history = model.fit(uneven_dataset(batches), verbose=0).history
            loss = model.evaluate(uneven_dataset(batches), verbose=0)
        histories.append(history["loss"][0])
        evaluated.append(loss)
        models.append(model)
    assert_same_weights(*models)
    assert histories[1] == pytest.approx(histories[0], rel=1e-5)
    assert evaluated[1] == pytest.approx(evaluated[0], rel=1e-5)


def test_metrics_of_one_s_own_come_beside_the_package_s_loss():
    x, y = small_batch()
    weights = random_weights("tokens", y, seed=0)
    expected = new_model(pattern=("dense",))
    optimizer = OPTIMIZERS["momentum"]()
    seen = slow_training(expected, optimizer, [(x, y, weights)])
    model = new_model(
        1,
        "momentum",
        pattern=("dense",),
        arguments=lambda: {
            "metrics": [keras.metrics.SparseCategoricalAccuracy("plain")],
            "weighted_metrics": [
                keras.metrics.SparseCategoricalAccuracy("weighted")
            ],
        },
    )
    predicted = model.predict(x, verbose=0).argmax(-1)
    logs = model.train_on_batch(x, y, sample_weight=weights, return_dict=True)
    assert set(logs) == {"loss", "plain", "weighted", "learning_rate"}
    assert logs["loss"] == pytest.approx(seen["loss"][0], rel=1e-5)
    assert logs["plain"] == pytest.approx((predicted == y).mean())
    assert logs["weighted"] == pytest.approx(seen["accuracy"][0])
    assert_same_weights(model, expected)


def test_a_loss_of_one_s_own_is_the_loss(caplog):
    log_once.cache_clear()
    for _ in range(2):
        model = new_model(
            1,
            "momentum",
            pattern=("dense",),
            arguments=lambda: {
                "loss": lambda y, logits: keras.ops.square(logits - 1.0)
            },
        )
    message = (
        "A loss or metrics of your own need the logits of all tokens at once: "
        "batch x length x vocabulary_size floats. Leave them out of compile() "
        "to save that memory."
    )
    assert caplog.record_tuples == [("keras_gpt3", logging.WARNING, message)]
    x, y = small_batch()
    expected = np.mean((model.predict(x, verbose=0) - 1.0) ** 2)
    history = model.fit(x, y, epochs=5, verbose=0).history
    assert history["loss"][0] == pytest.approx(expected, rel=1e-5)
    assert history["loss"][-1] < 0.9 * expected
    evaluated = model.evaluate(x, y, verbose=0, return_dict=True)
    expected = np.mean((model.predict(x, verbose=0) - 1.0) ** 2)
    assert evaluated["loss"] == pytest.approx(expected, rel=1e-5)


# === Compilation ===


@pytest.mark.parametrize("micro_batch_size", [None, 1])
@pytest.mark.quick_cases(1)
def test_a_step_that_xla_compiles_as_a_whole_is_the_same_step(
    micro_batch_size, monkeypatch
):
    """With several chunks of the loss, and a batch of unknown size."""
    monkeypatch.setattr(token_chunks, "_CHUNK_LOGITS", 61 * 8)
    batches = [small_batch(rows, seed=rows) for rows in (4, 4, 2)]
    expected = new_model(pattern=("dense",))
    slow_training(
        expected,
        OPTIMIZERS["adamw"](),
        [(x, y, np.ones(y.shape)) for x, y in batches],
    )
    model = new_model(
        2,
        "adamw",
        pattern=("dense",),
        arguments=lambda: {
            "jit_compile": True,
            "micro_batch_size": micro_batch_size,
        },
    )
    model.fit(uneven_dataset(batches), verbose=0)
    assert_same_weights(model, expected)


def step_graph(model):
    """The graph of a step, and the functions in it that XLA must compile."""
    x, y = keras.tree.map_structure(tf.constant, small_batch())
    step = tf.function(model.train_step, autograph=False)
    graph = step.get_concrete_function((x, y)).graph.as_graph_def()
    functions = graph.library.function
    return graph, [f for f in functions if f.attr["_XlaMustCompile"].b]


def test_on_a_cpu_xla_compiles_what_stands_between_the_products():
    graph, functions = step_graph(new_model(1, "momentum"))
    names = " ".join(f.signature.name for f in functions)
    # Attention and loss: what stands between their products, both ways.
    for stage in ("weights", "score_gradient", "exponentials"):
        assert f"__{stage}" in names
    for stage in ("logit_gradient", "normalize", "gradient", "value"):
        assert f"__{stage}" in names
    # The large products are left to oneDNN.
    assert "MatMul" in {node.op for node in graph.node}
    assert "MatMul" not in {n.op for f in functions for n in f.node_def}


def test_a_new_model_traces_its_step_once(monkeypatch):
    traces = []
    step = GPT3.train_step
    monkeypatch.setattr(
        GPT3, "train_step", lambda *args: traces.append(1) or step(*args)
    )
    new_model(1, "adamw", pattern=("dense",)).fit(even_dataset(2), verbose=0)
    assert len(traces) == 1


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["auto", "own"])
def test_on_demand_xla_compiles_the_products_too(loss):
    arguments = {"jit_compile": True}
    if loss == "own":
        arguments |= own_loss_and_metrics()
    model = new_model(
        1, "momentum", pattern=("dense",), arguments=lambda: arguments
    )
    graph, functions = step_graph(model)
    assert "MatMul" in {n.op for f in functions for n in f.node_def}
    assert "MatMul" not in {node.op for node in graph.node}


@pytest.mark.slow
def test_a_compiled_step_of_one_s_own_loss_is_the_same_step():
    models = [
        new_model(
            2,
            "adamw",
            pattern=("dense", "banded"),
            arguments=lambda jit=jit: {
                **own_loss_and_metrics(),
                "jit_compile": jit,
            },
        )
        for jit in (False, True)
    ]
    histories = [
        model.fit(even_dataset(3), verbose=0).history for model in models
    ]
    assert_same_weights(*models)
    for name, value in histories[0].items():
        assert histories[1][name] == pytest.approx(value, rel=1e-5), name


def test_a_loss_that_xla_cannot_compile_is_said_so():
    def printed(y, logits):
        known = tf.numpy_function(np.mean, [logits], "float32")
        known = tf.stop_gradient(tf.ensure_shape(known, ()))
        return tf.reduce_mean(logits) + known

    model = small_model(num_layers=1)
    model.compile("sgd", loss=printed, jit_compile=True)
    with pytest.raises(tf.errors.InvalidArgumentError, match="PyFunc|XLA"):
        model.fit(*small_batch(), verbose=0)


def test_what_is_switched_off_is_not_compiled():
    with op_compilation(False):
        assert step_graph(new_model(1, "momentum"))[1] == []


# === Mixed precision ===


def test_mixed_bfloat16_trains_with_a_float32_loss():
    model = small_model(num_layers=1, dtype="mixed_bfloat16")
    model.compile(AdamW(1e-2))
    x, y = small_batch()
    history = model.fit(x, y, epochs=20, verbose=0).history
    first, last = history["loss"][0], history["loss"][-1]
    assert last < first - 0.5
    assert first == pytest.approx(np.log(SMALL["vocabulary_size"]), abs=0.1)
    # Bfloat16 has 8 bits; that the loss has more is no accident.
    short = tf.cast(tf.cast(history["loss"], "bfloat16"), "float32")
    assert np.all(short.numpy() != np.float32(history["loss"]))
    assert {v.dtype for v in model.weights} == {"float32"}
    assert {v.dtype for v in model.optimizer.variables[2:]} == {"float32"}
    assert model.loss_tracker.count == ROWS * LENGTH


@pytest.mark.slow
@pytest.mark.parametrize("replicas", [1, 2])
def test_mixed_float16_trains_as_float32_does(replicas):
    expected = new_model(1, "adamw")
    model = new_model(replicas, "adamw", dtype="mixed_float16")
    assert type(model.optimizer) is keras.optimizers.LossScaleOptimizer
    history, other = (
        each.fit(even_dataset(5), epochs=5, steps_per_epoch=1, verbose=0)
        for each in (model, expected)
    )
    # Float16 has 11 bits.
    np.testing.assert_allclose(
        history.history["loss"], other.history["loss"], rtol=2e-3
    )
    assert model.optimizer.step_counter.numpy() == 5


def test_a_step_that_overflows_is_left_out_on_all_replicas():
    model = new_model(
        2,
        "momentum",
        dtype="mixed_float16",
        pattern=("dense",),
    )
    model.fit(even_dataset(1), verbose=0)
    before = model.get_weights()
    model.optimizer.dynamic_scale.assign(2.0**40)
    history = model.fit(even_dataset(1), verbose=0).history
    assert np.isfinite(history["loss"]).all()
    assert model.optimizer.dynamic_scale.numpy() == 2.0**39
    assert model.optimizer.iterations.numpy() == 1
    for weight, other in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(weight, other)
