"""Prompts of token ids as arrays, of few shapes."""

import numpy as np


def prompt_arrays(prompts):
    """Brings prompts to what a model continues."""
    lengths = np.array([len(ids) for ids in prompts])
    padding_mask = np.arange(lengths.max()) < lengths[:, None]
    token_ids = np.zeros(padding_mask.shape, "int32")
    token_ids[padding_mask] = np.concatenate(prompts)
    return {"token_ids": token_ids, "padding_mask": padding_mask}


def filled_batch(batch, batch_size):
    """Repeats the last of a batch, so that there are few sizes.

    A loop of generation is compiled for each.
    """
    size = min(batch_size, 2 ** (len(batch) - 1).bit_length())
    return batch + batch[-1:] * (size - len(batch))
