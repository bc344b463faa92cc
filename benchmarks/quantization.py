"""What fewer bits cost: perplexity on held-out text, and bytes of weights.

    python benchmarks/quantization.py [--steps 300]

The paper's weights were not published, so a small model is trained here for
some hundred steps on the sample speeches; every 20th speech is held out. The
live model then predicts the held-out text in each dtype: float32, bfloat16,
int8 and int4 weights (activations as they are), and "int8_activations", Keras'
plain `quantize("int8")`, which rounds activations too. Prints one JSON object:
perplexity, its ratio to float32's, and the bytes of the weights.
"""

import argparse
import json
import math
import os
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from harness.progress import log
from harness.small_training import BATCH_SIZE
from harness.small_training import SIZE
from harness.small_training import train
from harness.versions import versions
from keras import ops

from keras_gpt3.cli.model_loading import load_model

# Of the layers, and the bits of the weights where they are quantized.
DTYPES = {
    "float32": ("float32", None),
    "bfloat16": ("bfloat16", None),
    "int8": ("float32", "int8"),
    "int4": ("float32", "int4"),
    "int8_activations": ("float32", None),
}


def main():
    """Trains, measures all dtypes and prints one JSON object."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        preset, contexts = train(
            folder,
            arguments.steps,
            arguments.context,
            arguments.held_out_batches * BATCH_SIZE,
        )
        rows = [measure(preset, dtype, contexts) for dtype in DTYPES]
    for row in rows:
        row["ratio"] = round(row["perplexity"] / rows[0]["perplexity"], 5)
    report = {
        "benchmark": "quantization",
        "versions": versions("keras-gpt3", "keras", "tensorflow"),
        "configuration": vars(arguments) | SIZE,
        "tokens": int(contexts[:, 1:].size),
        "rows": rows,
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--context", type=int, default=128)
    parser.add_argument("--held-out-batches", type=int, default=16)
    return parser.parse_args()


def measure(preset, dtype, contexts):
    """The row of one dtype."""
    log(f"measuring {dtype}")
    policy, bits = DTYPES[dtype]
    model = load_model(str(preset), policy, bits)
    if dtype == "int8_activations":
        model.quantize("int8")
    return {
        "dtype": dtype,
        "perplexity": round(perplexity(model, contexts), 4),
        "weight_bytes": weight_bytes(model),
    }


def perplexity(model, contexts):
    """Of each token after the first of its context, given those before."""
    losses = []
    for start in range(0, len(contexts), BATCH_SIZE):
        batch = contexts[start : start + BATCH_SIZE]
        inputs, labels = batch[:, :-1], batch[:, 1:]
        hidden_states = model.backbone(
            {
                "token_ids": inputs,
                "padding_mask": np.ones(inputs.shape, "bool"),
            }
        )
        logits = ops.cast(model.backbone.logits(hidden_states), "float32")
        losses.append(
            ops.convert_to_numpy(
                keras.losses.sparse_categorical_crossentropy(
                    labels, logits, from_logits=True
                )
            )
        )
    return math.exp(np.concatenate(losses).mean(dtype="float64"))


def weight_bytes(model):
    """Of all weights, as they lie in memory; two int4 share a byte."""
    return sum(
        int(np.prod(weight.shape)) * weight.value.dtype.size
        for weight in model.weights
    )


if __name__ == "__main__":
    main()
