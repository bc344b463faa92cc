"""What tells one model from all others."""

import hashlib
import json

import numpy as np

from keras_gpt3.version import __version__

# Bytes that are read at a time.
_PIECE = 1 << 26


def model_fingerprint(model):
    """Makes a short text of all that a model's answers depend on.

    That is its weights and config, its tokenizer, what the preprocessor puts
    before a text, and the version of the package.
    """
    digest = hashlib.blake2b(digest_size=8)
    config = model.backbone.get_config()
    config.pop("name")
    parts = [__version__, config, _preprocessor_parts(model.preprocessor)]
    digest.update(json.dumps(parts, sort_keys=True, default=str).encode())
    for variable in model.backbone.weights:
        array = np.ascontiguousarray(variable)
        data = memoryview(array.reshape(-1).view("uint8"))
        for start in range(0, len(data), _PIECE):
            digest.update(data[start : start + _PIECE])
    return digest.hexdigest()


def _preprocessor_parts(preprocessor):
    """How texts become ids, `None` where ids are all there is."""
    if preprocessor is None:
        return None
    tokenizer = preprocessor.tokenizer
    return {
        "vocabulary": tokenizer.vocabulary,
        "merges": tokenizer.merges,
        "special_tokens": tokenizer.special_tokens,
        "roles": [
            tokenizer.start_token,
            tokenizer.end_token,
            tokenizer.pad_token,
        ],
        "split_special_tokens": tokenizer.split_special_tokens,
        "add_start_token": preprocessor.add_start_token,
        "sequence_length": preprocessor.sequence_length,
    }
