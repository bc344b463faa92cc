"""Checks of prompts that are given as token ids."""

import numbers

import numpy as np

from keras_gpt3.echoed_value import echoed
from keras_gpt3.generation.prompt_messages import NO_PROMPTS
from keras_gpt3.ops.sequence_length_check import check_sequence_length


def check_max_length(max_length, context):
    """Raises unless `max_length` is a number of tokens that fits."""
    if max_length is None:
        return
    if not isinstance(max_length, numbers.Integral) or max_length < 1:
        raise ValueError(
            "max_length must be an integer of at least 1. Received: "
            f"max_length={echoed(max_length)}. Leave it out for the whole "
            "context."
        )
    check_sequence_length(max_length, context)


def check_prompt(inputs):
    """Brings a prompt of token ids to arrays and checks its form."""
    if not isinstance(inputs, dict):
        raise ValueError(
            "A prompt must be a dict of token_ids and padding_mask where no "
            f"preprocessor is attached. Received: type={type(inputs).__name__}."
            " Attach a GPT3Preprocessor, or tokenize first."
        )
    if set(inputs) != {"token_ids", "padding_mask"}:
        raise ValueError(
            "A prompt must be a dict of token_ids and padding_mask. Received: "
            f"keys={sorted(inputs)}. Pass both, each of shape (batch, length)."
        )
    token_ids = np.asarray(inputs["token_ids"])
    mask = np.asarray(inputs["padding_mask"], "bool")
    if token_ids.ndim != 2 or mask.shape != token_ids.shape:
        raise ValueError(
            "token_ids and padding_mask must share one shape (batch, length). "
            f"Received: shapes={token_ids.shape} and {mask.shape}. Pad shorter "
            "prompts on the right, and mark them in the mask."
        )
    if not len(mask):
        raise ValueError("0".join(NO_PROMPTS))
    lengths = mask.sum(axis=1)
    if not lengths.all():
        raise ValueError(
            "A prompt must have at least one token. Received: padding_mask "
            f"with no True in row {int(np.argmin(lengths))}. Start with the "
            "end-of-text id to start from nothing."
        )
    if (mask[:, 1:] & ~mask[:, :-1]).any():
        raise ValueError(
            "Padding must stand behind the prompt. Received: padding_mask with "
            "a False before a True. Pad on the right."
        )
    return {"token_ids": token_ids, "padding_mask": mask}
