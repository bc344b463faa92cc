"""One model in every format: does it load, does it say the same, how quickly.

    python benchmarks/formats.py [--repetitions 3]

A GPT-3 of 6 layers, dense and banded in turn, and 36M random weights continues
a prompt of 32 tokens by 64 greedy ones, alone, in: Keras, by `generate`; a
SavedModel, by TensorFlow's own operations; ONNX Runtime, LiteRT and OpenVINO,
step by step with a cache; and, where torch is installed, transformers' GPT-Neo.
Prints a line for each: the seconds to write and to load, how many of 64 tokens
are those of `generate`, the largest difference of the logits of all 96
positions to Keras' in float32, the bytes of its files, and tokens a second, the
median of runs that alternate, with the ratio to Keras'. About 6 minutes.
"""

import argparse
import importlib.util
import json
import os
import pathlib
import statistics
import sys
import tempfile
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
ROOT = pathlib.Path(__file__).parents[1]
sys.path.append(str(ROOT))  # How a runtime is called is as in the tests.

import numpy as np
import tensorflow as tf
from harness.versions import versions

import keras_gpt3
from tests.export import runtimes

PROMPT, NEW_TOKENS = 32, 64
END = PROMPT + NEW_TOKENS
SHAPE = {
    "num_layers": 6,
    "num_heads": 6,
    "hidden_dim": 384,
    "intermediate_dim": 1536,
    "max_sequence_length": 128,
    "attention_window": 24,
}


def main():
    """Writes, loads, compares and times; prints a line for each format."""
    repetitions = parse_arguments().repetitions
    found = versions(
        *("keras-gpt3", "keras", "tensorflow", "onnxruntime", "tf2onnx"),
        *("ai-edge-litert", "openvino", "torch", "transformers"),
    )
    model = varied_model()
    prompt = np.random.default_rng(1).integers(50257, size=(1, PROMPT))
    prompt = prompt.astype("int32")
    with tempfile.TemporaryDirectory() as folder:
        sides = [
            make(model, pathlib.Path(folder) / make.__name__)
            for make in (keras, saved_model, onnx, litert, openvino)
        ]
        if importlib.util.find_spec("transformers") is not None:
            sides.append(transformers(model, pathlib.Path(folder) / "hf"))
    answers = [side["answer"](prompt) for side in sides]  # Also warms up.
    seconds = [[] for _ in sides]
    for _ in range(repetitions):
        for side, times in zip(sides, seconds, strict=True):
            started = time.perf_counter()
            side["answer"](prompt)
            times.append(time.perf_counter() - started)
    logits = [side["logits"](answers[0]) for side in sides]
    speeds = [NEW_TOKENS / statistics.median(times) for times in seconds]
    for i, side in enumerate(sides):
        row = {"benchmark": "formats", "format": side["format"]}
        row |= {"write_seconds": side["write"], "load_seconds": side["load"]}
        is_equal = answers[i][0, PROMPT:] == answers[0][0, PROMPT:]
        row |= {
            "equal_of_64": int(is_equal.sum()),
            "different_tokens": len(np.unique(answers[0][0, PROMPT:])),
            "largest_difference": float(abs(logits[i] - logits[0]).max()),
            "largest_logit": float(abs(logits[0]).max()),
            "bytes": side["bytes"],
            "tokens_per_second": round(speeds[i], 1),
            "ratio": round(speeds[i] / speeds[0], 2),
        }
        print(json.dumps(row | {"versions": found}), flush=True)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


def varied_model():
    """A model whose answers vary: strong positions, and biases."""
    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en", preprocessor=None, **SHAPE
    )
    generator = np.random.default_rng(0)
    for weight in model.weights:
        if "position" in weight.path:
            weight.assign(generator.normal(0, 0.3, weight.shape))
        elif "bias" in weight.path or "beta" in weight.path:
            weight.assign(generator.normal(0, 0.05, weight.shape))
    model.compile(sampler="greedy")
    return model


def as_inputs(token_ids):
    """What a model takes, without padding."""
    mask = np.ones(token_ids.shape, "bool")
    return {"token_ids": token_ids, "padding_mask": mask}


def side(format, folder, write, load):
    """A format's row: what it took, and two functions of token ids."""
    started = time.perf_counter()
    path = write()
    written = time.perf_counter()
    answer, logits = load(path)
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {
        "format": format,
        "write": round(written - started, 2),
        "load": round(time.perf_counter() - written, 2),
        "bytes": sum(file.stat().st_size for file in files),
        "answer": answer,
        "logits": logits,
    }


def keras(model, folder):
    """A preset, as `from_preset` loads it."""

    def load(path):
        loaded = keras_gpt3.GPT3.from_preset(path)
        loaded.compile(sampler="greedy")

        def answer(prompt):
            return np.asarray(
                loaded.generate(
                    as_inputs(prompt), max_length=END, stop_token_ids=None
                )["token_ids"]
            )

        return answer, lambda ids: np.asarray(loaded(as_inputs(ids)))

    def write():
        model.save_to_preset(folder)
        return folder

    return side("keras", folder, write, load)


def saved_model(model, folder):
    """A SavedModel, by TensorFlow alone."""

    def load(path):
        loaded = tf.saved_model.load(str(path))

        def answer(prompt):
            padding = ((0, 0), (0, NEW_TOKENS))
            inputs = as_inputs(prompt)
            return loaded.generate_tokens(
                token_ids=np.pad(prompt, padding),
                padding_mask=np.pad(inputs["padding_mask"], padding),
                temperature=tf.constant(0.0),
                top_k=tf.constant(0),
                seed=tf.constant(0),
                end_token_id=tf.constant(-1),
            )["token_ids"].numpy()

        return answer, lambda ids: loaded.logits(ids)["logits"].numpy()

    def write():
        return model.export(folder, verbose=False)

    return side("saved_model", folder, write, load)


def onnx(model, folder):
    """A file for ONNX Runtime."""
    return stepwise(model, folder, "onnx", "model.onnx")


def litert(model, folder):
    """A file for LiteRT."""
    return stepwise(model, folder, "litert", "model.tflite")


def openvino(model, folder):
    """Files for OpenVINO."""
    return stepwise(model, folder, "openvino", "model.xml")


def stepwise(model, folder, format, name):
    """A file with a cache, which the caller's loop hands on."""

    def load(path):
        extend = runtimes.load(path, "extend")

        def answer(prompt):
            return runtimes.generate(extend, prompt, END)

        def logits(ids):
            cache, rows = runtimes.empty_cache(extend.inputs, len(ids)), []
            for index in range(ids.shape[1]):
                inputs = {
                    "token_ids": ids[:, index : index + 1],
                    "index": np.array(index, "int32"),
                }
                row, cache = runtimes.split(extend(inputs | cache))
                rows.append(row)
            return np.stack(rows, axis=1)

        return answer, logits

    def write():
        return model.export(
            folder / name, format, cache_length=END, verbose=False
        )

    return side(format, folder, write, load)


def transformers(model, folder):
    """A checkpoint for transformers, eager as its reference is."""

    def load(path):
        import torch
        from transformers import AutoModelForCausalLM

        loaded = AutoModelForCausalLM.from_pretrained(
            str(path), attn_implementation="eager"
        ).eval()
        loaded.generation_config.eos_token_id = None

        def answer(prompt):
            prompt = torch.tensor(prompt, dtype=torch.int64)
            return loaded.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                max_new_tokens=NEW_TOKENS,
                do_sample=False,
            ).numpy()

        def logits(ids):
            with torch.no_grad():
                ids = torch.tensor(ids, dtype=torch.int64)
                return loaded(ids).logits.numpy()

        return answer, logits

    def write():
        model.export_to_transformers(folder, verbose=False)
        return folder

    return side("transformers", folder, write, load)


if __name__ == "__main__":
    main()
