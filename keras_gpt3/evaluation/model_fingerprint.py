"""What tells one model from all others."""

import hashlib
import json

import numpy as np

# Bytes that are read at a time.
_PIECE = 1 << 26


def model_fingerprint(model):
    """Makes a short text that depends on a model's weights and config.

    Args:
        model: `GPT3`.

    Returns:
        A string of 16 hexadecimal digits.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.evaluation.model_fingerprint import model_fingerprint

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=1)
    model_fingerprint(model)
    ```
    """
    digest = hashlib.blake2b(digest_size=8)
    config = model.backbone.get_config()
    config.pop("name")
    digest.update(json.dumps(config, sort_keys=True, default=str).encode())
    for variable in model.backbone.weights:
        array = np.ascontiguousarray(variable)
        data = memoryview(array.reshape(-1).view("uint8"))
        for start in range(0, len(data), _PIECE):
            digest.update(data[start : start + _PIECE])
    return digest.hexdigest()
