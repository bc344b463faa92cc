"""A GPT-3 that builds in milliseconds, and batches for it."""

import functools
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
TALKING_CONTEXT = 40


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


@functools.cache
def talking_model():
    """A model for strings whose answers vary, with room for 40 tokens.

    Greedy; shared among tests, for each new one compiles its loops again.
    """
    model = small_text_model(max_sequence_length=TALKING_CONTEXT)
    generator = np.random.default_rng(2)
    for weight in model.weights:
        # A new model, its head tied, repeats itself; strong positions do not.
        scale = 2.5 if "position" in weight.path else 0.4
        noise = generator.normal(size=weight.shape, scale=scale)
        weight.assign(noise + ("gamma" in weight.path))
    # It says plain letters more often than bytes amid a character.
    encoding = model.preprocessor.tokenizer.encoding
    tokens = [
        encoding.decode_bytes([i]) for i in range(encoding.vocabulary_size)
    ]
    is_plain = np.array([token.isalnum() for token in tokens])
    embeddings = model.backbone.token_embedding.embeddings
    embeddings.assign(np.array(embeddings) * (1 + is_plain[:, None]))
    model.compile(sampler="greedy")
    return model


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
    with pytest.warns(match="does not have a `quantize` method"):
        model.quantize(**arguments)
    gc.unfreeze()
    return model
