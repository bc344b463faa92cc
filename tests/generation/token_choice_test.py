import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.generation import choose_token

LOGITS = np.random.default_rng(0).normal(size=(3, 7)).astype("float32")


def choose(index=0, temperature=1.0, top_k=0, seed=0, logits=LOGITS):
    return np.asarray(choose_token(logits, index, temperature, top_k, seed))


def draws(logits, **settings):
    """4000 draws from one row of scores, each at a position of its own."""
    row = tf.constant(logits[None])
    temperature = settings.get("temperature", 1.0)
    top_k = settings.get("top_k", 0)

    @tf.function
    def choose_at_each():
        return tf.map_fn(
            lambda index: choose_token(row, index, temperature, top_k, 0)[0],
            tf.range(4000),
        )

    return np.asarray(choose_at_each())


def test_a_row_of_a_batch_gets_what_it_gets_alone():
    batch = choose(3, seed=5)
    alone = [choose(3, seed=5, logits=LOGITS[i : i + 1])[0] for i in range(3)]
    np.testing.assert_array_equal(batch, alone)


@pytest.mark.parametrize("settings", [{"temperature": 0.0}, {"top_k": 1}])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_temperature_0_and_one_token_are_greedy(settings, dtype):
    logits = tf.cast(LOGITS, dtype)
    for index in range(5):
        chosen = choose(index, logits=logits, **settings)
        assert chosen.dtype == "int32"
        np.testing.assert_array_equal(chosen, LOGITS.argmax(-1))


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_draws_follow_the_softmax(temperature):
    exponents = np.exp(LOGITS[0].astype("float64") / temperature)
    chosen = draws(LOGITS[0], temperature=temperature)
    shares = np.bincount(chosen, minlength=7) / len(chosen)
    # Four standard deviations of a share of 4000 draws.
    np.testing.assert_allclose(
        shares, exponents / exponents.sum(), atol=4 * 0.5 / 4000**0.5
    )


def test_draws_are_among_the_k_highest():
    highest = np.argsort(LOGITS[0])[-3:]
    assert set(draws(LOGITS[0], top_k=3)) == set(highest)


def test_seed_and_position_decide():
    row = np.zeros((1, 5000), "float32")
    first = choose(3, seed=5, logits=row)
    np.testing.assert_array_equal(first, choose(3, seed=5, logits=row))
    for other in ({"index": 4, "seed": 5}, {"index": 3, "seed": 6}):
        assert first != choose(logits=row, **other)


def test_settings_may_be_tensors():
    integer = tf.TensorSpec((), tf.int32)
    traced = tf.function(
        choose_token,
        input_signature=[
            tf.TensorSpec((None, 7)),
            integer,
            tf.TensorSpec(()),
            integer,
            integer,
        ],
    )
    for settings in ((0, 0.0, 0, 0), (1, 0.7, 2, 3), (2, 1.5, 0, 4)):
        np.testing.assert_array_equal(
            traced(LOGITS, *settings), choose(*settings)
        )
