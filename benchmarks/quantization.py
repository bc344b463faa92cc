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
import gzip
import json
import math
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from harness.progress import log
from harness.versions import versions
from keras import ops

import keras_gpt3

CORPUS = pathlib.Path(__file__).parents[1] / "examples/data/speeches.jsonl.gz"
BATCH_SIZE = 8
SIZE = {
    "num_layers": 4,
    "num_heads": 4,
    "hidden_dim": 128,
    "intermediate_dim": 512,
    "attention_window": 32,
}
# The dtype of the computation, and how the weights are quantized.
DTYPES = {
    "float32": ("float32", None),
    "bfloat16": ("bfloat16", None),
    "int8": ("float32", "Int8QuantizationConfig"),
    "int4": ("float32", "Int4QuantizationConfig"),
    "int8_activations": ("float32", "int8"),
}


def main():
    """Trains, measures all dtypes and prints one JSON object."""
    arguments = parse_arguments()
    with tempfile.TemporaryDirectory() as folder:
        preset = pathlib.Path(folder) / "trained"
        contexts = train(pathlib.Path(folder), preset, arguments)
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


def train(folder, preset, arguments):
    """Trains a model and saves it; contexts of held-out text, (N, T + 1)."""
    keras.utils.set_random_seed(1)
    with gzip.open(CORPUS, "rt", encoding="utf-8") as lines:
        documents = [json.loads(line)["text"] for line in lines]
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    kept, held_out = (
        keras_gpt3.data.write_token_shards(texts, folder / name, tokenizer)
        for name, texts in (
            ("train", [x for i, x in enumerate(documents) if i % 20]),
            ("held_out", documents[::20]),
        )
    )
    context = arguments.context
    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en",
        preprocessor=None,
        max_sequence_length=context,
        **SIZE,
    )
    recipe = keras_gpt3.training.PretrainingRecipe(
        batch_tokens=BATCH_SIZE * context,
        learning_rate=4e-3,
        total_tokens=arguments.steps * BATCH_SIZE * context,
    )
    model.compile(optimizer=recipe.optimizer())
    log(f"training for {recipe.num_steps} steps")
    model.fit(
        keras_gpt3.data.packed_dataset(kept, context, BATCH_SIZE),
        steps_per_epoch=recipe.num_steps,
        verbose=0,
    )
    model.save_to_preset(preset)
    batches = keras_gpt3.data.packed_dataset(held_out, context, BATCH_SIZE)
    batches = batches.take(arguments.held_out_batches)
    return np.concatenate(
        [
            np.concatenate([inputs["token_ids"], labels[:, -1:]], axis=1)
            for inputs, labels in batches.as_numpy_iterator()
        ]
    )


def measure(preset, dtype, contexts):
    """The row of one dtype."""
    log(f"measuring {dtype}")
    policy, quantization = DTYPES[dtype]
    model = keras_gpt3.GPT3.from_preset(
        str(preset), preprocessor=None, dtype=policy
    )
    if quantization == "int8":
        model.quantize(quantization)
    elif quantization is not None:
        config = getattr(keras.quantizers, quantization)
        model.quantize(config=config(activation_quantizer=None))
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
