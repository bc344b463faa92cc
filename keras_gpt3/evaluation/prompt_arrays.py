"""Prompts of token ids as arrays, of few shapes."""

import numpy as np


def prompt_arrays(prompts):
    """Brings prompts to what a model continues.

    Args:
        prompts: list of sequences of ints.

    Returns:
        A dict of `"token_ids"`, an int32 array of shape `(batch, length)`,
        padded on the right, and `"padding_mask"`, a bool one.

    Example:

    ```python
    from keras_gpt3.evaluation.prompt_arrays import prompt_arrays

    prompt_arrays([[5, 6], [7]])["token_ids"]  # [[5, 6], [7, 0]]
    ```
    """
    lengths = np.array([len(ids) for ids in prompts])
    padding_mask = np.arange(lengths.max()) < lengths[:, None]
    token_ids = np.zeros(padding_mask.shape, "int32")
    token_ids[padding_mask] = np.concatenate(prompts)
    return {"token_ids": token_ids, "padding_mask": padding_mask}


def filled_batch(batch, batch_size):
    """Repeats the last of a batch, so that there are few sizes.

    A loop of generation is compiled for each.

    Args:
        batch: list, not empty.
        batch_size: int. The most that a batch holds.

    Returns:
        A list whose length is a power of two, or `batch_size`.

    Example:

    ```python
    from keras_gpt3.evaluation.prompt_arrays import filled_batch

    filled_batch([3, 1, 4], batch_size=8)  # [3, 1, 4, 4]
    ```
    """
    size = min(batch_size, 2 ** (len(batch) - 1).bit_length())
    return batch + batch[-1:] * (size - len(batch))
