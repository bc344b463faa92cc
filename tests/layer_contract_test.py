import keras
import numpy as np
import pytest

from tests.layer_contract import check_layer_contract

INPUTS = np.ones((2, 3, 4), "float32")


@keras.saving.register_keras_serializable(package="layer_contract_test")
class Good(keras.layers.Layer):
    def __init__(self, factor=1.0, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor

    def build(self, input_shape):
        self.gain = self.add_weight(shape=(4,), initializer="ones")

    def call(self, x):
        return x * self.gain * self.factor

    def get_config(self):
        return super().get_config() | {"factor": self.factor}


@keras.saving.register_keras_serializable(package="layer_contract_test")
class ForgetsItsConfig(Good):
    def get_config(self):
        return keras.layers.Layer.get_config(self)


@keras.saving.register_keras_serializable(package="layer_contract_test")
class AnnouncesAnotherShape(Good):
    def compute_output_shape(self, input_shape):
        return (*input_shape[:-1], 5)


@keras.saving.register_keras_serializable(package="layer_contract_test")
class DoesNotTrainAWeight(Good):
    def build(self, input_shape):
        super().build(input_shape)
        self.frozen = self.add_weight(shape=(4,), initializer="ones")

    def call(self, x):
        return super().call(x) + 0 * self.frozen


@keras.saving.register_keras_serializable(package="layer_contract_test")
class ComputesInFloat32(Good):
    def call(self, x):
        return keras.ops.cast(super().call(x), "float32")


@keras.saving.register_keras_serializable(package="layer_contract_test")
class ForgetsAWeight(Good):
    def load_own_variables(self, store):
        pass


def test_a_good_layer_keeps_the_contract():
    check_layer_contract(Good, INPUTS)


def test_so_does_one_without_weights_that_says_so():
    check_layer_contract(keras.layers.ReLU, INPUTS, has_weights=False)
    with pytest.raises(AssertionError):
        check_layer_contract(keras.layers.ReLU, INPUTS)


@pytest.mark.parametrize(
    "bad",
    [
        ForgetsItsConfig,
        AnnouncesAnotherShape,
        DoesNotTrainAWeight,
        ComputesInFloat32,
        ForgetsAWeight,
    ],
)
def test_a_bad_layer_does_not(bad):
    with pytest.raises(AssertionError):
        check_layer_contract(bad, INPUTS)
