"""Small models on meshes of virtual devices."""

import contextlib

import keras
import numpy as np

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from keras_gpt3.training import AdamW
from keras_gpt3.training import TokenClock
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch

MESHES = [(1, 1), (2, 1), (1, 2), (2, 2), (1, 4), (2, 4)]
# Heads that four devices share. The vocabulary of 61 gets 128 rows.
HEADS = 4


def device_mesh(shape, names=("batch", "model")):
    devices = keras.distribution.list_devices()[: np.prod(shape)]
    return keras.distribution.DeviceMesh(shape, names, devices)


@contextlib.contextmanager
def distributed(shape, **options):
    """Sets the distribution of a mesh; `None` is a single device."""
    if shape is None:
        yield
        return
    layout_map = GPT3Backbone.get_layout_map(device_mesh(shape), **options)
    distribution = keras.distribution.ModelParallel(
        layout_map=layout_map, batch_dim_name="batch"
    )
    with distribution.scope():
        yield


def new_model(micro_batch_size=None, rematerialization="none", **overrides):
    """The same model each time, for the distribution that is set."""
    keras.utils.set_random_seed(0)
    model = GPT3(small_backbone(num_heads=HEADS, **overrides))
    model.compile(
        # Between the gradients' norms in 20 steps: some are clipped.
        AdamW(TokenClock(5e-3, 32, warmup_tokens=100), global_clipnorm=0.85),
        micro_batch_size=micro_batch_size,
        rematerialization=rematerialization,
    )
    return model


def batches(number):
    """Inputs and labels of some batches, one after the other."""
    parts = [small_batch(seed=n) for n in range(number)]
    return keras.tree.map_structure(lambda *x: np.concatenate(x), *parts)


def train(model, steps):
    """Trains a model for some steps of `ROWS` rows; returns the history."""
    x, y = batches(steps)
    return model.fit(x, y, batch_size=ROWS, verbose=0).history


def weight_values(model):
    """A dict of path to array, without key biases and rows of padding.

    Softmax cancels the key bias: its gradient is rounding noise, which Adam
    amplifies.
    """
    values = {v.path: np.asarray(v.value) for v in model.trainable_variables}
    for path, value in values.items():
        if path.endswith("query_key_value/bias"):
            by_head = value.reshape(model.backbone.num_heads, 3, -1)
            values[path] = by_head[:, [0, 2]]
        if path == "token_embedding/embeddings":
            values[path] = value[: model.backbone.vocabulary_size]
    return values


def assert_same_weights(received, expected, tolerance=1e-5):
    """Each tensor differs by at most a share of its norm."""
    assert received.keys() == expected.keys()
    for path, value in received.items():
        difference = np.linalg.norm(value - expected[path])
        assert difference <= tolerance * np.linalg.norm(expected[path]), path
