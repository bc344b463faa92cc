"""The choice of the next token, a pure function of seed and position."""

import keras
from keras import ops

from keras_gpt3.generation.logit_filters import keep_top_k
from keras_gpt3.generation.seed_at_position import SeedAtPosition


def choose_token(logits, index, temperature, top_k, seed):
    """Greedy at temperature 0, otherwise a draw that `(seed, index)` decides.

    All settings may be tensors: one compiled graph serves every request.

    Args:
        logits: tensor of shape `(batch, vocabulary_size)`, any float dtype.
        index: int or int tensor. Position of the token to choose.
        temperature: float or float tensor. Divides the scores; 0 is greedy.
        top_k: int or int tensor. Number of tokens to draw among; 0 is all.
        seed: int or int tensor.

    Returns:
        An int32 tensor of shape `(batch,)`.

    Example:

    ```python
    import numpy as np
    from keras_gpt3.generation import choose_token

    logits = np.array([[0.0, 2.0, 1.0]], "float32")
    choose_token(logits, index=0, temperature=0.0, top_k=0, seed=0)  # [1]
    ```
    """
    logits = ops.cast(logits, "float32")
    temperature = ops.cast(temperature, "float32")
    # One draw for all rows: a row of a batch gets what it would get alone.
    uniform = keras.random.uniform(
        (logits.shape[-1],), 1e-20, 1.0, seed=SeedAtPosition(seed, index)
    )
    # The maximum of scores with Gumbel noise is a draw from their softmax.
    noise = -ops.log(-ops.log(uniform))
    drawn = keep_top_k(logits, top_k) / ops.maximum(temperature, 1e-6) + noise
    return ops.argmax(ops.where(temperature > 0, drawn, logits), axis=-1)
