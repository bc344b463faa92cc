"""Small GPT-3s on meshes of virtual devices, and data for them. JAX only."""

import keras
import numpy as np

from keras_gpt3 import GPT3Backbone
from keras_gpt3.data import packed_dataset
from keras_gpt3.training import AdamW
from keras_gpt3.training import ShardedCheckpoint
from keras_gpt3.training.checkpoints.model_checkpointer import model_variables
from tests.small_gpt3 import LENGTH
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import small_model

# No part of an array has the shape of another, whole array.
SHARDED = {"num_layers": 1, "dropout": 0.1, "intermediate_dim": 40}


def set_mesh(mesh):
    """Distributes models to come over `(batch, model)` devices, or not."""
    distribution = None
    if mesh is not None:
        devices = keras.distribution.list_devices()[: mesh[0] * mesh[1]]
        device_mesh = keras.distribution.DeviceMesh(
            mesh, ("batch", "model"), devices
        )
        distribution = keras.distribution.ModelParallel(
            layout_map=GPT3Backbone.get_layout_map(device_mesh),
            batch_dim_name="batch",
        )
    keras.distribution.set_distribution(distribution)


def sharded_model(mesh, optimizer=None, seed=0, **overrides):
    """A compiled model on a mesh of `(batch, model)` devices, or on one.

    The epsilon is so large that Adam does not blow up the rounding of
    gradients that are zero, such as that of the key bias.
    """
    set_mesh(mesh)
    keras.utils.set_random_seed(seed)
    model = small_model(**SHARDED | overrides)
    model.compile(optimizer or AdamW(1e-2, epsilon=1e-3))
    return model


def train(model, shards, start_step, stop_step, *callbacks):
    """Trains on the batches of some steps."""
    model.fit(
        packed_dataset(shards, LENGTH, ROWS, start_step=start_step),
        steps_per_epoch=stop_step - start_step,
        callbacks=list(callbacks),
        verbose=0,
    )


def values(model):
    """All that a checkpoint holds of a model, without rows of padding."""
    return {
        name: _without_padding(variable, model)
        for name, variable in model_variables(model).items()
    }


def _without_padding(variable, model):
    value = np.array(variable.value)
    is_table = "token_embedding" in variable.path
    return value[: model.backbone.vocabulary_size] if is_table else value


def sharded_arrays(model):
    """Pairs of name and value of all that no device has whole."""
    return [
        (name, variable.value)
        for name, variable in model_variables(model).items()
        if not variable.value.sharding.is_fully_replicated
    ]


def randomize(model, seed):
    """Gives all that a checkpoint holds other values, and slots to begin with.

    The iterations stay what they are.
    """
    model.compiled_step.prepare_optimizer(model)
    generator = np.random.default_rng(seed)
    for name, variable in model_variables(model).items():
        if name != "optimizer/0/iteration":
            noise = generator.uniform(1, 2, variable.shape)
            variable.assign(noise.astype(variable.dtype))


def save(model, folder):
    """Saves a model as `fit` does at the end of an epoch."""
    model.compiled_step.prepare_optimizer(model)
    callback = ShardedCheckpoint(folder)
    callback.set_model(model)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0)
    callback.on_train_end()
