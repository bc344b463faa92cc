import keras
import numpy as np
import pytest

from keras_gpt3.training import Perplexity


def test_is_the_exponential_of_the_weighted_mean():
    metric = Perplexity()
    metric.update_state([1.0, 3.0], sample_weight=[3.0, 1.0])
    metric.update_state(2.0, sample_weight=4.0)
    mean = (3.0 * 1.0 + 3.0 + 8.0) / 8.0
    assert float(metric.result()) == pytest.approx(np.exp(mean))
    metric.reset_state()
    assert float(metric.result()) == 1.0


def test_survives_serialization():
    config = keras.metrics.serialize(Perplexity(name="other"))
    copy = keras.metrics.deserialize(config)
    assert type(copy) is Perplexity
    assert copy.name == "other"
