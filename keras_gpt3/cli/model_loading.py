"""Loads a model for a command, as its options say."""

import warnings


def load_model(preset, dtype=None, quantize=None, adapter=None):
    """Load a model with its preprocessor."""
    from keras_gpt3.models.gpt3 import GPT3

    config = _quantization(quantize)
    model = GPT3.from_preset(preset, dtype=dtype)
    merge_adapter(model, adapter)
    if config is not None:
        with warnings.catch_warnings():
            # Keras warns of each layer that has no matrix.
            warnings.filterwarnings("ignore", ".* does not have a `quantize`")
            model.quantize(config=config)
    return model


def merge_adapter(model, path):
    """Merge the adapters of a file into a model."""
    if path is not None:
        model.backbone.load_lora_weights(path)
        model.backbone.merge_lora()


def _quantization(bits):
    """Keras' own config for weights alone: activations stay as they are."""
    from keras.quantizers import Int4QuantizationConfig
    from keras.quantizers import Int8QuantizationConfig

    configs = {"int8": Int8QuantizationConfig, "int4": Int4QuantizationConfig}
    if bits is None:
        return None
    if bits not in configs:
        raise ValueError(
            "What to quantize to must be int8 or int4. Received: "
            f"quantize={bits}. Leave it out to keep the weights as they are."
        )
    return configs[bits](activation_quantizer=None)


def check_tensorflow(command, instead=""):
    """Raise if Keras runs on another backend than TensorFlow.

    Called before anything is read, which may take long.
    """
    # Inside: the package's `__init__` loads TensorFlow.
    from keras_gpt3.backend_check import require_backend

    require_backend(
        "tensorflow",
        f"keras-gpt3 {command}",
        f"Set KERAS_BACKEND=tensorflow{instead}.",
    )
