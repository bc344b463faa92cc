"""A small GPT-3 to train in tests, batches for it, and how to compare."""

import contextlib
import copy

import keras
import numpy as np
import tensorflow as tf

from keras_gpt3.parallel import mirrored_strategy
from keras_gpt3.training import AdamW
from keras_gpt3.training import TokenClock
from tests.small_gpt3 import ROWS
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model

# Between the gradients' norms in 20 steps: some are clipped, others are not.
CLIP = {"adamw": 0.85, "momentum": 0.65}
OPTIMIZERS = {
    "adamw": lambda: AdamW(
        TokenClock(5e-3, 32, warmup_tokens=100, decay_tokens=1000),
        global_clipnorm=CLIP["adamw"],
    ),
    "momentum": lambda: keras.optimizers.SGD(
        0.3, momentum=0.9, global_clipnorm=CLIP["momentum"]
    ),
}


def new_model(
    replicas=1,
    optimizer=None,
    pattern=("dense", "banded"),
    arguments=dict,
    **overrides,
):
    """The same model each time, on some number of replicas.

    It has a layer for each attention in `pattern`. `arguments` makes those of
    `compile`, inside the strategy's scope; `overrides` are of the backbone.
    """
    # One of ten seeds has a gradient near 0, whose rounding Adam amplifies.
    keras.utils.set_random_seed(12)
    strategy = mirrored_strategy(2) if replicas == 2 else None
    with strategy.scope() if strategy else contextlib.nullcontext():
        model = small_model(
            num_layers=len(pattern), attention_pattern=pattern, **overrides
        )
        if optimizer:
            model.compile(OPTIMIZERS[optimizer](), **arguments())
    return model


def assert_same_weights(received, expected, tolerance=1e-5):
    """Each tensor differs by at most `tolerance` of its norm."""
    pairs = zip(received.weights, expected.weights, strict=True)
    for variable, other in pairs:
        assert variable.path == other.path
        value, target = variable.numpy(), other.numpy()
        if variable.path.endswith("query_key_value/bias"):
            # Softmax cancels the key bias: its gradient is rounding noise,
            # which Adam amplifies.
            by_head = (received.backbone.num_heads, 3, -1)
            value, target = (
                np.delete(v.reshape(by_head), 1, axis=1)
                for v in (value, target)
            )
        difference = np.linalg.norm(value - target)
        assert difference <= tolerance * np.linalg.norm(target), variable.path


def even_batches(number):
    """Batches of one shape, as `slow_training` takes them."""
    batches = [small_batch(seed=n) for n in range(number)]
    return [(x, y, np.ones(y.shape)) for x, y in batches]


def even_dataset(number):
    """The same as a dataset without weights."""
    batches = [batch[:2] for batch in even_batches(number)]
    rows = keras.tree.map_structure(lambda *x: np.concatenate(x), *batches)
    return tf.data.Dataset.from_tensor_slices(rows).batch(ROWS, True)


def uneven_dataset(batches):
    """A dataset of batches, which does not tell their sizes."""
    spec = keras.tree.map_structure(
        lambda x: tf.TensorSpec((None, *x.shape[1:]), x.dtype), batches[0]
    )
    # Copies: TensorFlow may compute in the memory of what a generator yields.
    dataset = tf.data.Dataset.from_generator(
        lambda: iter(copy.deepcopy(batches)), output_signature=spec
    )
    return dataset.apply(tf.data.experimental.assert_cardinality(len(batches)))
