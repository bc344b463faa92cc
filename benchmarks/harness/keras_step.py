"""One training step of a compiled Keras model, without `fit` around it.

TensorFlow or JAX. The same for every Keras side: `fit` adds callbacks and a
progress bar, `train_on_batch` copies the batch from numpy at each call.
"""

import inspect
import itertools

import keras
import numpy as np

from harness.backend_device import wait_for_device
from harness.process_memory import peak_bytes


def bare_bytes():
    """The peak memory of a process that has loaded its libraries only.

    Returns:
        An int, after a tiny operation, before any model.
    """
    ones = keras.ops.ones((8, 8))
    keras.ops.convert_to_numpy(keras.ops.matmul(ones, ones))
    return peak_bytes()


class TrainingStep:
    """Trains a model on one batch of random ids, at each call.

    Args:
        model: compiled `keras.Model` with inputs `token_ids` and
            `padding_mask`.
        batch_size: int.
        length: int. Tokens in a sequence.
        vocabulary_size: int. Defaults to `50257`.
        document_length: int. The mean length of documents, which do not see
            each other. Defaults to `None`, no masks.

    Returns:
        The loss, a float.
    """

    def __init__(
        self,
        model,
        batch_size,
        length,
        vocabulary_size=50257,
        document_length=None,
    ):
        batch = _random_batch(batch_size, length, vocabulary_size)
        if document_length is not None:
            batch[0]["segment_ids"] = random_segments(
                batch_size, length, document_length
            )
        is_jax = keras.config.backend() == "jax"
        if is_jax:  # `fit` begins with it: metrics have no variables before.
            model._symbolic_build(data_batch=batch)
        model.make_train_function()
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._function = model.train_function
        self._state = _jax_state(model) if is_jax else None
        self._iterator = _repeated(batch)

    def __call__(self):
        if self._state is None:
            logs = self._function(self._iterator)
        else:
            logs, self._state = self._function(self._state, self._iterator)
        wait_for_device(self._state)
        return float(logs["loss"])

    def graphs(self):
        """The graphs of the step and of the functions it calls, by name.

        TensorFlow only.

        Keras wraps the `tf.function` that it calls into a plain function, and
        TensorFlow has no public way to a function's inner graphs.
        """
        wrapped = inspect.getclosurevars(self._function).nonlocals
        (function,) = (
            x for x in wrapped.values() if hasattr(x, "get_concrete_function")
        )
        concrete = function.get_concrete_function(self._iterator)
        return _inner_graphs(concrete.graph)


def _inner_graphs(graph):
    """Graphs of all functions that a graph knows, outer ones first."""
    functions = graph._functions
    graphs = {name: function.graph for name, function in functions.items()}
    for inner in list(graphs.values()):
        graphs = graphs | _inner_graphs(inner)
    return graphs


def random_segments(rows, length, document_length):
    """Numbers of the documents of each position, of geometric lengths.

    Args:
        rows: int.
        length: int. Positions of a row.
        document_length: int. The mean length.

    Returns:
        An int32 array of shape `(rows, length)`.
    """
    generator = np.random.default_rng(1)
    begins = generator.random((rows, length)) < 1 / document_length
    return np.cumsum(begins, axis=1, dtype="int32")


def _random_batch(batch_size, length, vocabulary_size):
    """Ids to train on, and the next ones."""
    ids = np.random.default_rng(0).integers(
        0, vocabulary_size, (batch_size, length + 1), "int32"
    )
    inputs = {
        "token_ids": ids[:, :-1],
        "padding_mask": np.ones((batch_size, length), "bool"),
    }
    return inputs, ids[:, 1:]


def _repeated(batch):
    """An endless iterator of one batch, which lies on the device under JAX."""
    if keras.config.backend() == "jax":
        tensors = keras.tree.map_structure(keras.ops.convert_to_tensor, batch)
        return itertools.repeat(tensors)
    import tensorflow as tf

    return iter(tf.data.Dataset.from_tensors(batch).repeat())


def _jax_state(model):
    """The values that steps pass on; the variables are empty meanwhile.

    As in Keras' `fit`, else there would be two of each for a while.
    """
    return model._get_jax_state(
        trainable_variables=True,
        non_trainable_variables=True,
        optimizer_variables=True,
        metrics_variables=True,
        purge_model_variables=True,
    )
