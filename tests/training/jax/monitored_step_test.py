import functools

import keras
import numpy as np
import pytest

from keras_gpt3.training import AdamW
from tests.parallel import meshes
from tests.parallel.meshes import assert_same_weights
from tests.parallel.meshes import distributed
from tests.parallel.meshes import weight_values
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import small_batch

# === Jax monitored step ===

pytestmark = pytest.mark.backend("jax", reason="the step of a run under JAX")

REQUESTS = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]], "float32")


def new_model(micro_batch_size=None, **overrides):
    """One layer, with the optimizer's slots, as a run has it."""
    overrides = {"num_layers": 1, "attention_pattern": ("dense",)} | overrides
    model = meshes.new_model(micro_batch_size, **overrides)
    model.compiled_step.prepare_optimizer(model)
    return model


def variables_of(model):
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
    )


def run_step(model, batch, number=None, step=None):
    """Makes a step; the report, and the sums of the requests."""
    import jax

    from keras_gpt3.training.jax.monitored_step import monitored_step

    # JAX compiles it once for a model and shapes.
    step = jax.jit(step or monitored_step, static_argnums=0)
    variables = variables_of(model)
    state = jax.tree.map(lambda variable: variable.value, variables)
    report, requests, state = step(model, state, batch, REQUESTS, number)
    jax.tree.map(lambda variable, x: variable.assign(x), variables, state)
    return {k: float(v) for k, v in report.items()}, np.asarray(requests)


def state_of(model):
    """Copies of all values: weights, and the optimizer's slots and counts."""
    variables = keras.tree.flatten(variables_of(model))
    return [np.array(variable.value) for variable in variables]


def assert_bitwise_equal(received, expected):
    for value, other in zip(received, expected, strict=True):
        np.testing.assert_array_equal(value, other)


def rows_of(batch, rows):
    return keras.tree.map_structure(lambda x: x[rows], batch)


def from_logits(model, batch):
    """Mean loss and accuracy of rows, and the norm of the loss' gradient."""
    import jax
    from jax import numpy as jnp

    x, y = batch
    trainable, others, _ = variables_of(model)

    def mean_loss(values):
        logits, _ = model.stateless_call(
            values, [v.value for v in others], x, training=True
        )
        chosen = jnp.take_along_axis(
            jax.nn.log_softmax(logits), y[..., None], -1
        )
        return -jnp.mean(chosen), jnp.mean(logits.argmax(-1) == y)

    (loss, accuracy), gradients = jax.jit(
        jax.value_and_grad(mean_loss, has_aux=True)
    )([v.value for v in trainable])
    squares = [np.square(np.asarray(g, "float64")).sum() for g in gradients]
    return float(loss), float(accuracy), sum(squares) ** 0.5


@pytest.mark.parametrize(
    "shape, options, size, micro_batches",
    [
        (None, {}, 2, [[0, 1], [2, 3]]),
        (None, {}, None, [[0, 1, 2, 3]]),
        ((2, 2), {}, 1, [[0], [1], [2], [3]]),
        ((2, 1), {}, None, [[0, 1], [2, 3]]),
        # A row of each part, whose gradients are added up as they come.
        ((2, 1), {"shard_weights": True}, 1, [[0, 2], [1, 3]]),
    ],
)
@pytest.mark.quick_cases(1)
def test_it_trains_as_fit_does_and_tells_what_plain_gradients_tell(
    shape, options, size, micro_batches
):
    batch = small_batch()
    expected = new_model()
    loss, accuracy, norm = from_logits(expected, batch)
    norms = [from_logits(expected, rows_of(batch, r))[2] for r in micro_batches]
    expected.train_on_batch(*batch)
    with distributed(shape, **options):
        model = new_model(size)
        rate = float(model.optimizer.learning_rate)
        report, requests = run_step(model, batch)
    assert_same_weights(weight_values(model), weight_values(expected))
    tokens = batch[1].size
    wanted = {
        "loss": loss,
        "accuracy": accuracy,
        "tokens": tokens,
        "gradient_norm": norm,
        "applied": 1,
        "learning_rate": rate,
        "micro_batch_squared_norm": np.mean(np.square(norms)),
        "micro_batch_tokens": tokens / len(micro_batches),
    }
    assert report.keys() == wanted.keys()
    for name, value in wanted.items():
        # Float32 sums in another order.
        assert report[name] == pytest.approx(value, rel=1e-5), name
    np.testing.assert_array_equal(requests, [2, 1])


@pytest.mark.parametrize(
    "shape, options, number, rows",
    [
        (None, {}, 2, [0, 1]),
        (None, {}, 4, [0, 1, 2, 3]),
        # Padding is behind the rows of each part.
        ((2, 1), {}, 1, [0, 2]),
        ((2, 1), {"shard_weights": True}, 1, [0, 2]),
    ],
)
@pytest.mark.quick_cases(1)
def test_some_micro_batches_of_a_batch_are_bitwise_the_batch_of_their_rows(
    shape, options, number, rows
):
    batch = small_batch()
    found = []
    for data, count in ((batch, number), (rows_of(batch, rows), None)):
        with distributed(shape, **options):
            model = new_model(1)
            report, _ = run_step(model, data, count)
        found.append((report, state_of(model)))
    (report, state), (expected, expected_state) = found
    assert report == expected
    assert report["tokens"] == len(rows) * LENGTH
    assert_bitwise_equal(state, expected_state)


def spoil(monkeypatch, place, bad):
    """A step whose loss, or one entry of one gradient, is not finite."""
    from keras_gpt3.training.jax import monitored_step as module

    real = module.batch_gradients

    def spoilt(*arguments):
        sums, gradients, others = real(*arguments)
        if place == "loss":
            return sums.at[0].set(bad), gradients, others
        *gradients, last = gradients
        return sums, [*gradients, last.at[-1].set(bad)], others

    monkeypatch.setattr(module, "batch_gradients", spoilt)
    return functools.partial(module.monitored_step)


@pytest.mark.parametrize("dtype", ["float32", "mixed_float16"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
@pytest.mark.parametrize("place", ["loss", "gradient"])
@pytest.mark.quick_cases(2)
def test_an_update_that_is_not_finite_changes_nothing(
    monkeypatch, place, bad, dtype
):
    batch = small_batch()
    model = new_model(dtype=dtype)
    assert run_step(model, batch)[0]["applied"] == 1
    before = state_of(model)
    with monkeypatch.context() as patch:
        step = spoil(patch, place, bad)
        report, _ = run_step(model, batch, step=step)
    assert report["applied"] == 0
    name = "loss" if place == "loss" else "gradient_norm"
    assert not np.isfinite(report[name])
    if dtype == "mixed_float16":  # What the optimizer skips by.
        variables = keras.tree.flatten(variables_of(model))
        names = [v.path.rpartition("/")[2] for v in variables]
        for name, value in (("dynamic_scale", 0.5), ("step_counter", 0)):
            before[names.index(name)] *= value
    assert_bitwise_equal(state_of(model), before)
    count = int(model.optimizer.iterations)
    assert run_step(model, batch)[0]["applied"] == 1
    assert int(model.optimizer.iterations) == count + 1


@pytest.mark.slow
def test_an_overflow_in_float16_is_skipped_and_norms_are_free_of_the_scale():
    batch = small_batch()
    model = new_model(2, dtype="mixed_float16")
    scale = model.optimizer.dynamic_scale
    expected = new_model(2)
    reports = []
    for start in (2.0**40, 2.0**15, 2.0**10):
        scale.assign(start)
        weights = weight_values(model)
        report, _ = run_step(model, batch)
        is_applied = start < 2.0**40
        assert report["applied"] == is_applied
        assert float(scale.value) == (start if is_applied else start / 2)
        if not is_applied:
            assert_bitwise_equal(
                weight_values(model).values(), weights.values()
            )
            continue
        reports.append((report, run_step(expected, batch)[0]))
    for report, unscaled in reports:
        for name in ("loss", "gradient_norm", "micro_batch_squared_norm"):
            # Float16 rounds by 1/2048, and so do the weights after a step.
            assert report[name] == pytest.approx(unscaled[name], rel=0.02), name


@pytest.mark.slow
@pytest.mark.parametrize("factor", [2.0**10, 2.0**-10])
def test_a_constant_scale_is_taken_off_again(factor):
    batch = small_batch()
    found = []
    for scale in (None, factor):
        model = new_model(2)
        model.compile(
            AdamW(5e-3, global_clipnorm=0.85, loss_scale_factor=scale),
            micro_batch_size=2,
        )
        model.compiled_step.prepare_optimizer(model)
        report, _ = run_step(model, batch)
        found.append((report, weight_values(model)))
    (report, weights), (expected, expected_weights) = found
    assert report == pytest.approx(expected, rel=1e-6)
    assert_same_weights(weights, expected_weights, 1e-6)


@pytest.mark.parametrize("shape", [None, (2, 2)])
@pytest.mark.quick_cases(1)
def test_evaluation_gives_sums_over_tokens(shape):
    import jax

    from keras_gpt3.training.jax.monitored_step import evaluation_sums

    batch = small_batch()
    loss, accuracy, _ = from_logits(new_model(), batch)
    with distributed(shape):
        model = new_model()
        trainable, others, _ = jax.tree.map(
            lambda variable: variable.value, variables_of(model)
        )
        function = jax.jit(functools.partial(evaluation_sums, model))
        sums = function(trainable, others, batch)
    tokens = batch[1].size
    np.testing.assert_allclose(
        sums, [loss * tokens, accuracy * tokens, tokens], rtol=1e-5
    )


# === Micro batch norms ===


GRADIENTS = [
    np.random.default_rng(n).normal(size=(3, 2)).astype("float32")
    for n in range(2)
]


def observed(weights, gradient_scale, dtype="float32"):
    """The sums of a micro-batch whose gradients are those times its weight."""
    from jax import numpy as jnp

    from keras_gpt3.training.jax.monitored_step import with_micro_batch_norms

    def micro_batch(seeds, batch, gradient_scale):
        factor = jnp.sum(batch[2]) * gradient_scale
        gradients = [(g * factor).astype(dtype) for g in GRADIENTS]
        return jnp.array([7.0, 8.0]), gradients, seeds

    batch = None, None, jnp.array(weights)
    sums, gradients, seeds = with_micro_batch_norms(micro_batch)(
        "seeds", batch, jnp.asarray(gradient_scale)
    )
    assert seeds == "seeds"
    return sums, gradients


@pytest.mark.parametrize("gradient_scale", [1.0, 2.0**15])
@pytest.mark.parametrize("weights", [[[0.1, 0.2]], [[1.0, 0.0]], [[3.0, 5.0]]])
def test_the_norm_is_that_of_the_micro_batch_s_own_mean(
    weights, gradient_scale
):
    sums, gradients = observed(weights, gradient_scale)
    squared = sum(np.square(g.astype("float64")).sum() for g in GRADIENTS)
    # Float32 sums over some ten numbers.
    np.testing.assert_allclose(
        sums, [7, 8, squared, 1, 1 / np.sum(weights)], rtol=1e-6
    )
    factor = np.sum(weights) * gradient_scale
    np.testing.assert_allclose(gradients[0], GRADIENTS[0] * factor, rtol=1e-6)


def test_a_micro_batch_without_weight_adds_zeros():
    sums, _ = observed([[0.0, 0.0]], 1024.0)
    np.testing.assert_array_equal(sums, [7, 8, 0, 0, 0])


def test_half_precision_gradients_do_not_overflow():
    """A float16 holds 300 but not its square."""
    sums, gradients = observed([[1.0]], 300.0, "float16")
    assert sums.dtype == "float32"
    rounded = [np.asarray(g, "float64") / 300 for g in gradients]
    squared = sum(np.square(g).sum() for g in rounded)
    np.testing.assert_allclose(sums[2], squared, rtol=1e-6)
