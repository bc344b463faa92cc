import pytest

import keras_gpt3
from keras_gpt3.converters.checkpoint_family import complete_arguments
from keras_gpt3.converters.weight_shapes import SHAPE_KEYS
from keras_gpt3.converters.weight_shapes import weight_shapes
from tests.small_gpt3 import SMALL


@pytest.mark.parametrize(
    "switches",
    [
        {},
        {"query_key_value_bias": False},
        {"use_bias": False, "layer_norm_affine": False},
        {"embedding_dim": 6, "norm_first": False, "use_final_norm": False},
        {"embedding_dim": SMALL["hidden_dim"]},
        {"position_offset": 2, "skip_padding_positions": True},
    ],
)
def test_the_weights_are_those_that_a_backbone_builds(switches):
    backbone = keras_gpt3.GPT3Backbone(**(SMALL | switches))
    arguments = complete_arguments(backbone.get_config())
    shapes = {weight.path: tuple(weight.shape) for weight in backbone.weights}
    assert weight_shapes(arguments) == shapes


def test_the_shape_keys_are_those_that_it_reads():
    read = set()

    class Arguments(dict):
        def __getitem__(self, name):
            read.add(name)
            return super().__getitem__(name)

    arguments = keras_gpt3.GPT3Backbone(**SMALL).get_config()
    weight_shapes(Arguments(complete_arguments(arguments)))
    assert read == set(SHAPE_KEYS)
