import types

import keras
import numpy as np
import pytest

from keras_gpt3.training.finetuning.finetune import BestWeights


@pytest.mark.parametrize(
    ("losses", "best", "value"),
    [
        ([3.0, 1.0, 2.0], 1, 1.0),
        ([1.0, 1.0], 0, 0.0),
        # Without a validation, the last weights stay.
        ([None, None, None], 2, 2.0),
    ],
)
def test_the_weights_of_the_lowest_loss_come_back(losses, best, value):
    weight = keras.Variable(np.zeros(2))
    kept = BestWeights(types.SimpleNamespace(trainable_variables=[weight]))
    for epoch, loss in enumerate(losses):
        weight.assign(np.full(2, epoch))
        kept.consider(epoch, loss)
    assert kept.restore() == best
    np.testing.assert_array_equal(weight, np.full(2, value))
