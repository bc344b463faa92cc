"""A model of a size of GPT-3 that continues prompts greedily."""

import time

import numpy as np
from harness.backend_device import keep_gpu_for_jax
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
    num_heads=12,
    hidden_dim=768,
):
    """Builds the model, by default at the size of GPT-3 Small.

    Args:
        side: string. `"keras_gpt3"` or `"keras_hub"`. Defaults to
            `"keras_gpt3"`.
        dtype: string. `"float32"`, `"bfloat16"`, or `"int8"`: float32 with
            weights in 8 bits. Defaults to `"float32"`.
        batch_size: int. Defaults to `1`.
        prompt: int. Tokens of each prompt. Defaults to `512`.
        new_tokens: int. Defaults to `64`.
        num_layers: int. Defaults to `12`.
        num_heads: int. Defaults to `12`.
        hidden_dim: int. Defaults to `768`.

    Returns:
        A pair of the step, a callable that continues the prompts twice, by all
        and by a quarter of the new tokens, and gives both times; and a dict of
        facts.
    """
    keep_gpu_for_jax()
    make = {"keras_gpt3": _keras_gpt3, "keras_hub": _keras_hub}[side]
    model = make(dtype, num_layers, num_heads, hidden_dim)
    model.compile(sampler="greedy")

    def generate(prompt_length, count=new_tokens):
        length = prompt + count
        generator = np.random.default_rng(prompt_length)
        ids = np.zeros((batch_size, length), "int32")
        ids[:, :prompt_length] = generator.integers(
            VOCABULARY, size=(batch_size, prompt_length)
        )
        mask = np.tile(np.arange(length) < prompt_length, (batch_size, 1))
        inputs = {"token_ids": ids, "padding_mask": mask}
        start = time.perf_counter()
        model.generate(inputs, max_length=length, stop_token_ids=None)
        return time.perf_counter() - start

    def step():
        return {
            "all_tokens": generate(prompt),
            "quarter": generate(prompt, new_tokens // 4),
        }

    first = generate(prompt)
    # Another length in the same bucket: what compiles again costs seconds.
    other = generate(prompt - 3)
    again = generate(prompt - 3)
    facts = {
        "first_call": first,
        "another_length": other,
        "that_length_again": again,
        "weight_bytes": _weight_bytes(model),
        "cache_bytes": _cache_bytes(model, batch_size, prompt + new_tokens),
    }
    return step, facts


def _keras_gpt3(dtype, num_layers, num_heads, hidden_dim):
    import keras_gpt3

    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en",
        preprocessor=None,
        dtype=_policy(dtype),
        num_layers=num_layers,
        num_heads=num_heads,
        hidden_dim=hidden_dim,
        intermediate_dim=4 * hidden_dim,
    )
    return _quantized(model, dtype)


def _keras_hub(dtype, num_layers, num_heads, hidden_dim):
    import keras_hub
    from harness.keras_hub_model import keras_hub_backbone

    backbone = keras_hub_backbone(
        _policy(dtype), 2048, num_layers, VOCABULARY, num_heads, hidden_dim
    )
    model = keras_hub.models.GPT2CausalLM(backbone, preprocessor=None)
    return _quantized(model, dtype)


def _policy(dtype):
    # Decoding needs no float32 master weights.
    policies = POLICIES | {"bfloat16": "bfloat16", "int8": "float32"}
    return policies[dtype]


def _quantized(model, dtype):
    """The model with weights in 8 bits, where that is requested."""
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


def _cache_bytes(model, batch_size, length):
    """What a position reads of the earlier ones: all slots."""
    import keras

    if hasattr(model.backbone, "make_cache"):
        rings = keras.tree.flatten(
            model.backbone.make_cache(batch_size, length)
        )
        numbers = sum(int(np.prod(ring.shape)) for ring in rings)
    else:
        width = model.backbone.hidden_dim
        numbers = 2 * batch_size * model.backbone.num_layers * length * width
    return numbers * (2 if model.backbone.compute_dtype == "bfloat16" else 4)


if __name__ == "__main__":
    serve(build, "keras-gpt3", "keras-hub", "keras", "tensorflow", "jax")
