"""A GPT-3 that builds in milliseconds, and batches for it."""

import gc

import numpy as np
import pytest

from keras_gpt3 import GPT3
from keras_gpt3 import GPT3Backbone
from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from tests.tokenization.small_vocabulary import small_vocabulary

# Both kinds of attention, and a window shorter than the sequences below.
SMALL = {
    "vocabulary_size": 61,
    "num_layers": 2,
    "num_heads": 2,
    "hidden_dim": 16,
    "intermediate_dim": 32,
    "max_sequence_length": 12,
    "attention_window": 4,
}
# The same shape in most tests: each new one costs a compilation.
ROWS, LENGTH = 4, 8


def small_backbone(**overrides):
    return GPT3Backbone(**(SMALL | overrides))


def small_model(**overrides):
    """A model for token ids."""
    return GPT3(small_backbone(**overrides))


def small_text_model(**overrides):
    """A model for strings, with a vocabulary of 272 tokens."""
    tokenizer = GPT3Tokenizer(*small_vocabulary())
    backbone = small_backbone(
        vocabulary_size=tokenizer.vocabulary_size(), **overrides
    )
    return GPT3(backbone, GPT3Preprocessor(tokenizer, sequence_length=LENGTH))


def as_inputs(token_ids):
    """The dict that a model takes, without padding."""
    return {
        "token_ids": token_ids,
        "padding_mask": np.ones(token_ids.shape, "bool"),
    }


def small_batch(rows=ROWS, seed=0):
    """A pair of inputs and labels, random ids."""
    ids = np.random.default_rng(seed).integers(
        SMALL["vocabulary_size"], size=(rows, LENGTH + 1), dtype="int32"
    )
    return as_inputs(ids[:, :-1].copy()), ids[:, 1:].copy()


def quantize(model, **arguments):
    """Calls `model.quantize`, and returns the model."""
    # Keras collects garbage for each layer that it quantizes: half a second
    # each time, unless there is little to look at.
    gc.freeze()
    # Keras warns of each layer that holds nothing to quantize.
    with pytest.warns(UserWarning, match="does not have a `quantize` method"):
        model.quantize(**arguments)
    gc.unfreeze()
    return model
