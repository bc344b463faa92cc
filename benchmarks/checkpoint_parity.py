"""How far logits of loaded checkpoints are from transformers' own.

    python benchmarks/checkpoint_parity.py [--folder FOLDER]

Loads every small checkpoint of tests/fixtures/checkpoints, each with other
switches and another layout of its files, and compares with what transformers'
eager implementation computed of it: the largest absolute error of the logits
against its float32 and its float64, also of rows that are padded on the left,
and how many of 64 greedy tokens are equal in each of two rows. "between" is how
far transformers' float32 is from its float64. Takes a minute and prints one
JSON object a checkpoint. The pickle needs torch; without, its line says so.
"""

import argparse
import json
import os
import pathlib

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
from harness.versions import versions

import keras_gpt3

CHECKPOINTS = (
    pathlib.Path(__file__).parents[1] / "tests" / "fixtures" / "checkpoints"
)
PROMPT_LENGTH = 8


def main():
    """Measures all checkpoints of a folder; prints one line for each."""
    folder = parse_arguments().folder
    found = versions("keras-gpt3", "keras", "tensorflow", "torch")
    for path in sorted(folder.glob("*/expected.npz")):
        row = {"benchmark": "checkpoint_parity", "checkpoint": path.parent.name}
        print(json.dumps(row | measure(path) | {"versions": found}), flush=True)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--folder", type=pathlib.Path, default=CHECKPOINTS)
    return parser.parse_args()


def measure(path):
    """The figures of one checkpoint, or why there are none."""
    expected = dict(np.load(path))
    try:
        model = keras_gpt3.GPT3.from_preset(str(path.parent), preprocessor=None)
    except ImportError as error:
        return {"skipped": str(error)}
    in_float32, exact = expected["logits_float32"], expected["logits_float64"]
    token_ids, is_token = expected["token_ids"], expected["padding_mask"]
    everywhere = np.ones_like(is_token)
    logits = forward(model, token_ids, everywhere)
    padded = forward(model, token_ids, is_token)
    return {
        "error_float32": largest_error(logits, in_float32, everywhere),
        "error_float64": largest_error(logits, exact, everywhere),
        "error_padded": largest_error(
            padded, expected["padded_logits"], is_token
        ),
        "between": largest_error(in_float32, exact, everywhere),
        "greedy_equal": equal_tokens(model, expected["greedy_ids"]),
        "reference": json.loads(str(expected["versions"])),
    }


def forward(model, token_ids, padding_mask):
    """Logits of a batch."""
    inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
    return np.asarray(model(inputs))


def largest_error(got, expected, where):
    """The largest absolute difference at some positions."""
    error = got.astype("float64") - expected.astype("float64")
    return float(abs(error)[where].max())


def equal_tokens(model, greedy_ids):
    """How many new tokens of each row are transformers' own."""
    model.compile(sampler="greedy")
    prompt = greedy_ids[:, :PROMPT_LENGTH]
    inputs = {
        "token_ids": prompt,
        "padding_mask": np.ones_like(prompt, "bool"),
    }
    answer = model.generate(inputs, max_length=greedy_ids.shape[1])
    is_equal = np.asarray(answer["token_ids"]) == greedy_ids
    return is_equal[:, PROMPT_LENGTH:].sum(axis=1).tolist()


if __name__ == "__main__":
    main()
