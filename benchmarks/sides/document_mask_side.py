"""Logits of packed documents, against those of each alone."""

import keras
import numpy as np
from harness.backend_device import keep_gpu_for_jax
from harness.side_server import serve

import keras_gpt3

# Shares of a row: documents that begin within blocks and at their edges.
ENDS = (0.03, 0.125, 0.4, 0.5, 1.0)


def build(length, vocabulary_size, jit_compile=None, **sizes):
    """Makes a model with weights that are not small, and a row of documents.

    Args:
        length: int. Tokens of the row.
        vocabulary_size: int.
        jit_compile: bool. Whether XLA compiles TensorFlow's graph of a call.
            Defaults to `None`, operation by operation.
        **sizes: Arguments of `GPT3Backbone`.

    Returns:
        A pair of the step, a callable that returns the distances of the
        logits, and a dict of facts.
    """
    keep_gpu_for_jax()
    keras.utils.set_random_seed(0)
    model = keras_gpt3.GPT3(
        keras_gpt3.GPT3Backbone(
            vocabulary_size=vocabulary_size,
            max_sequence_length=length,
            dtype="float32",
            **sizes,
        )
    )
    call = model
    if jit_compile:
        import tensorflow as tf

        call = tf.function(model, jit_compile=True, autograph=False)
    generator = np.random.default_rng(0)
    ids = generator.integers(0, vocabulary_size, (1, length), "int32")
    ends = [round(share * length) for share in ENDS]

    spans = list(zip([0, *ends[:-1]], ends, strict=True))
    segments = np.searchsorted(ends, np.arange(length), side="right")
    segments = segments.astype("int32")[None]

    def step():
        alone = [logits(call, ids[:, start:end]) for start, end in spans]
        alone = np.concatenate(alone, axis=1)
        # The same documents from a program of another shape: what rounding
        # alone makes of them.
        others = [padded_logits(call, ids, *span) for span in spans]
        packed = logits(call, ids, segment_ids=segments)
        return {
            "masked": distance(packed, alone),
            "alone_but_padded": distance(np.concatenate(others, 1), alone),
            "unmasked": distance(logits(call, ids), alone),
        }

    return step, {}


def logits(model, ids, **segments):
    """The logits of a row without padding."""
    mask = np.ones(ids.shape, "bool")
    inputs = {"token_ids": ids, "padding_mask": mask} | segments
    return keras.ops.convert_to_numpy(model(inputs))


def padded_logits(model, ids, start, end):
    """Those of one document, which padding makes as long as the row."""
    padding = ids.shape[1] - (end - start)
    document = np.pad(ids[:, start:end], ((0, 0), (0, padding)))
    mask = np.arange(ids.shape[1])[None] < end - start
    inputs = {"token_ids": document, "padding_mask": mask}
    return keras.ops.convert_to_numpy(model(inputs))[:, : end - start]


def distance(received, expected):
    """How far one array is from another, absolute and relative.

    `relative` is the Euclidean norm of the difference over that of what is
    expected, `relative_of_worst_token` the largest such ratio of one position.
    """
    received, expected = np.float64(received), np.float64(expected)
    difference = received - expected
    by_token = np.linalg.norm(difference, axis=-1) / np.linalg.norm(
        expected, axis=-1
    )
    return {
        "largest_absolute": float(np.abs(difference).max()),
        "relative": float(
            np.linalg.norm(difference) / np.linalg.norm(expected)
        ),
        "relative_of_worst_token": float(by_token.max()),
    }


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras", "tensorflow", "jax")
