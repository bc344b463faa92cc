"""The oracle of decoding and scoring: a forward pass over all tokens."""

import keras
import numpy as np
from keras import ops

from keras_gpt3.ops import op_compilation


def whole_pass(model, token_ids):
    """The logits of ids, without a cache.

    Args:
        model: a `GPT3`.
        token_ids: int array of shape `(batch, length)`.

    Returns:
        A float32 array of shape `(batch, length, vocabulary_size)`.
    """
    length = token_ids.shape[1]
    mask = np.ones(token_ids.shape, "bool")
    if keras.config.backend() == "jax":
        # Each length would be compiled: behind the end stands padding.
        room = model.backbone.max_sequence_length - length
        token_ids, mask = (
            np.pad(x, ((0, 0), (0, room))) for x in (token_ids, mask)
        )
    with op_compilation(False):  # Each length would be compiled.
        logits = model({"token_ids": token_ids, "padding_mask": mask})
    logits = ops.convert_to_numpy(ops.cast(logits, "float32"))
    return logits[:, :length]
