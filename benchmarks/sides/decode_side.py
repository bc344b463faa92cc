"""A model of GPT-3 Small's size that continues prompts greedily."""

import time

import numpy as np
from harness.dtype_policies import POLICIES
from harness.side_server import serve

VOCABULARY = 50257


def build(
    side="keras_gpt3",
    dtype="float32",
    batch_size=1,
    prompt=512,
    new_tokens=64,
    num_layers=12,
):
    """Builds the model.

    Args:
        side: string. `"keras_gpt3"` or `"keras_hub"`. Defaults to
            `"keras_gpt3"`.
        dtype: string. `"float32"`, `"bfloat16"`, or `"int8"`: float32 with
            weights in 8 bits. Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        prompt: int. Tokens of each prompt. Defaults to `512`.
        new_tokens: int. Defaults to `64`.
        num_layers: int. Defaults to `12`.

    Returns:
        A pair of the step, a callable that continues the prompts, and a dict
        of facts.
    """
    length = prompt + new_tokens
    make = {"keras_gpt3": _keras_gpt3, "keras_hub": _keras_hub}[side]
    model = make(dtype, num_layers)
    model.compile(sampler="greedy")
    ids = np.zeros((batch_size, length), "int32")
    mask = np.zeros((batch_size, length), "bool")

    def generate(prompt_length):
        generator = np.random.default_rng(prompt_length)
        ids[:, :prompt_length] = generator.integers(
            VOCABULARY, size=(batch_size, prompt_length)
        )
        mask[:] = np.arange(length) < prompt_length
        inputs = {"token_ids": ids.copy(), "padding_mask": mask.copy()}
        start = time.perf_counter()
        model.generate(inputs, max_length=length, stop_token_ids=None)
        return time.perf_counter() - start

    first = generate(prompt)
    # Another length in the same bucket: what compiles again costs seconds.
    other = generate(prompt - 3)
    again = generate(prompt - 3)
    facts = {
        "first_call": first,
        "another_length": other,
        "that_length_again": again,
        "weight_bytes": _weight_bytes(model),
    }
    return lambda: generate(prompt), facts


def _keras_gpt3(dtype, num_layers):
    import keras_gpt3

    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en",
        preprocessor=None,
        dtype=_policy(dtype),
        num_layers=num_layers,
    )
    return _quantized(model, dtype)


def _keras_hub(dtype, num_layers):
    import keras_hub

    backbone = keras_hub.models.GPT2Backbone(
        vocabulary_size=VOCABULARY,
        num_layers=num_layers,
        num_heads=12,
        hidden_dim=768,
        intermediate_dim=3072,
        dropout=0.0,
        max_sequence_length=2048,
        dtype=_policy(dtype),
    )
    model = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
    return _quantized(model, dtype)


def _policy(dtype):
    # Decoding needs no float32 master weights.
    policies = POLICIES | {"bfloat16": "bfloat16", "int8": "float32"}
    return policies[dtype]


def _quantized(model, dtype):
    """The model with weights in 8 bits, where that is asked for."""
    if dtype == "int8":
        from keras.quantizers import Int8QuantizationConfig

        model.quantize(config=Int8QuantizationConfig(activation_quantizer=None))
    return model


def _weight_bytes(model):
    import keras

    return sum(
        int(np.prod(v.shape)) * keras.ops.convert_to_numpy(v[..., :1]).itemsize
        if v.shape
        else 4
        for v in model.weights
    )


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras-hub", "keras", "tensorflow")
