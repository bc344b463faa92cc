"""One training step of a compiled Keras model, without `fit` around it.

TensorFlow. The same for every Keras side: `fit` adds callbacks and a progress
bar, `train_on_batch` copies the batch from numpy at each call.
"""

import inspect

import numpy as np
import tensorflow as tf

from harness.process_memory import peak_bytes


def bare_bytes():
    """The peak memory of a process that has loaded its libraries only.

    Returns:
        An int, after a tiny operation, before any model.
    """
    tf.linalg.matmul(tf.ones((8, 8)), tf.ones((8, 8)))
    return peak_bytes()


class TrainingStep:
    """Trains a model on one batch of random ids, at each call.

    Args:
        model: compiled `keras.Model` with inputs `token_ids` and
            `padding_mask`.
        batch_size: int.
        length: int. Tokens in a sequence.
        vocabulary_size: int. Defaults to `50257`.

    Returns:
        The loss, a float.
    """

    def __init__(self, model, batch_size, length, vocabulary_size=50257):
        batches = _repeated_batch(batch_size, length, vocabulary_size)
        self._iterator = iter(batches)
        model.make_train_function()
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._function = model.train_function

    def __call__(self):
        return float(self._function(self._iterator)["loss"])

    def graphs(self):
        """The graphs of the step and of the functions it calls, by name.

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


def _repeated_batch(batch_size, length, vocabulary_size):
    """An endless dataset of one batch."""
    ids = np.random.default_rng(0).integers(
        0, vocabulary_size, (batch_size, length + 1), "int32"
    )
    inputs = {
        "token_ids": ids[:, :-1],
        "padding_mask": np.ones((batch_size, length), "bool"),
    }
    return tf.data.Dataset.from_tensors((inputs, ids[:, 1:])).repeat()
