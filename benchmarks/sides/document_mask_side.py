"""Logits of packed documents, against those of each alone."""

import keras
import numpy as np
from harness.backend_device import keep_gpu_for_jax
from harness.side_server import serve

import keras_gpt3

# Shares of a row: documents that begin within blocks and at their edges.
ENDS = (0.03, 0.125, 0.4, 0.5, 1.0)


def build(length, vocabulary_size, **sizes):
    """Makes a model with weights that are not small, and a row of documents.

    Args:
        length: int. Tokens of the row.
        vocabulary_size: int.
        **sizes: Arguments of `GPT3Backbone`.

    Returns:
        A pair of the step, a callable that returns the largest differences of
        the logits, with the mask and without it, and a dict of facts.
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
    generator = np.random.default_rng(0)
    ids = generator.integers(0, vocabulary_size, (1, length), "int32")
    ends = [round(share * length) for share in ENDS]

    def step():
        starts = [0, *ends[:-1]]
        alone = np.concatenate(
            [
                logits(model, ids[:, start:end])
                for start, end in zip(starts, ends, strict=True)
            ],
            axis=1,
        )
        segments = np.searchsorted(ends, np.arange(length), side="right")
        segments = segments.astype("int32")[None]
        return {
            "masked": distance(logits(model, ids, segment_ids=segments), alone),
            "unmasked": distance(logits(model, ids), alone),
            "largest_logit": float(np.abs(alone).max()),
        }

    return step, {}


def logits(model, ids, **segments):
    """The logits of a row without padding."""
    mask = np.ones(ids.shape, "bool")
    inputs = {"token_ids": ids, "padding_mask": mask} | segments
    return keras.ops.convert_to_numpy(model(inputs))


def distance(received, expected):
    """The largest difference of two arrays."""
    return float(np.abs(received - expected).max())


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras", "tensorflow", "jax")
