import keras
import numpy as np
import pytest

from keras_gpt3.layers.decoder_block import RepeatableDropout
from tests.layer_contract import check_layer_contract

ONES = np.ones((4, 50), "float32")


def test_keeps_the_contract_of_layers():
    check_layer_contract(
        lambda **kwargs: RepeatableDropout(0.5, seed=3, **kwargs),
        ONES[:, :, None],
        has_weights=False,
    )


def test_a_seed_gives_the_same_mask_each_time_and_another_one_another():
    dropout = RepeatableDropout(0.5, seed=0)
    seeds = [dropout.draw_seed() for _ in range(2)]
    first, again, other = (
        np.array(dropout(ONES, seed, training=True))
        for seed in (seeds[0], seeds[0], seeds[1])
    )
    np.testing.assert_array_equal(first, again)
    assert np.any(first != other)
    assert set(np.unique(first)) == {0.0, 2.0}


def test_a_drawn_seed_gives_the_mask_that_keras_would_have_drawn():
    dropout, stock = (
        RepeatableDropout(0.3, seed=7),
        keras.layers.Dropout(0.3, seed=7),
    )
    for _ in range(2):
        np.testing.assert_array_equal(
            dropout(ONES, dropout.draw_seed(), training=True),
            stock(ONES, training=True),
        )


@pytest.mark.parametrize("training", [False, True])
def test_without_a_seed_it_is_keras_dropout(training):
    dropout, stock = (
        RepeatableDropout(0.3, seed=7),
        keras.layers.Dropout(0.3, seed=7),
    )
    np.testing.assert_array_equal(
        dropout(ONES, training=training), stock(ONES, training=training)
    )


def test_nothing_is_dropped_where_it_does_not_train_or_the_rate_is_0():
    dropout = RepeatableDropout(0.5)
    seed = dropout.draw_seed()
    np.testing.assert_array_equal(dropout(ONES, seed, training=False), ONES)
    assert RepeatableDropout(0.0).draw_seed() is None
