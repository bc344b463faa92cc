"""Trained banded models in transformers: logits and tokens, there and back.

    python benchmarks/banded_export.py [--steps 200] [--sizes small medium ...]

Trains GPT-3s of three sizes, dense and banded layers in turn, on presidential
speeches, and writes each for transformers, where it is a GPT-Neo with the
biases and the scale of attention folded into other weights. Prints for each how
far float32 logits are from transformers' eager ones, how many of 64 greedy
tokens are equal in each of four rows, both against transformers and against
what `from_preset` makes of the written files, the largest condition number of a
query kernel, and the largest offset that its bias became, as a share of the
normalized states. Needs torch and transformers; about 10 minutes on 2 cores.
"""

import argparse
import gzip
import json
import os
import pathlib
import tempfile

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from harness.versions import versions

import keras_gpt3
from keras_gpt3.models.presets.checkpoint_export import (
    compare_with_transformers,
)

CORPUS = (
    pathlib.Path(__file__).parents[1] / "examples" / "data/speeches.jsonl.gz"
)
SIZES = {
    "small": {"num_layers": 2, "num_heads": 2, "hidden_dim": 64},
    "medium": {"num_layers": 4, "num_heads": 4, "hidden_dim": 128},
    "large": {"num_layers": 6, "num_heads": 4, "hidden_dim": 256},
}
CONTEXT, WINDOW, ROWS = 128, 16, 8
PROMPT, NEW_TOKENS, ANSWERS = 32, 64, 4


def main():
    """Trains, writes and compares; prints one line for each size."""
    arguments = parse_arguments()
    found = versions("keras-gpt3", "keras", "tensorflow", "torch")
    found |= versions("transformers")
    for name in arguments.sizes:
        keras.utils.set_random_seed(0)
        model, token_ids = trained(SIZES[name], arguments.steps)
        row = {"benchmark": "banded_export", "size": name}
        row |= {"parameters": model.count_params(), "steps": arguments.steps}
        with tempfile.TemporaryDirectory() as folder:
            row |= measure(model, token_ids, pathlib.Path(folder) / "written")
        print(json.dumps(row | {"versions": found}), flush=True)


def parse_arguments():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=200)
    parser.add_argument("--sizes", nargs="+", choices=SIZES, default=[*SIZES])
    return parser.parse_args()


def trained(size, steps):
    """A model after some steps, and the ids of the corpus."""
    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en",
        intermediate_dim=4 * size["hidden_dim"],
        max_sequence_length=CONTEXT,
        attention_window=WINDOW,
        preprocessor=None,
        **size,
    )
    with gzip.open(CORPUS, "rt") as lines:
        texts = [json.loads(line)["text"] for line in lines]
    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    token_ids = np.concatenate([tokenizer(text) for text in texts])
    generator = np.random.default_rng(0)
    model.compile(optimizer=keras_gpt3.training.AdamW(1e-3), sampler="greedy")
    for _ in range(steps):
        rows = cut(token_ids, ROWS, CONTEXT + 1, generator)
        model.train_on_batch(as_inputs(rows[:, :-1]), rows[:, 1:])
    return model, token_ids


def cut(token_ids, number, length, generator):
    """Pieces of the corpus from random places."""
    starts = generator.integers(len(token_ids) - length, size=number)
    return np.stack([token_ids[start : start + length] for start in starts])


def as_inputs(token_ids):
    """What a model takes, without padding."""
    mask = np.ones(token_ids.shape, "bool")
    return {"token_ids": token_ids, "padding_mask": mask}


def measure(model, token_ids, folder):
    """The figures of one model."""
    model.export_to_transformers(folder, verbose=False)
    comparison = compare_with_transformers(model, folder)
    back = keras_gpt3.GPT3.from_preset(folder, preprocessor=None)
    back.compile(sampler="greedy")
    prompts = cut(token_ids, ANSWERS, PROMPT, np.random.default_rng(1))
    answers = greedy(model, prompts)
    whole = as_inputs(answers)
    difference = np.asarray(model(whole)) - np.asarray(back(whole))
    return {
        "logits_up_to": comparison.largest_logit,
        "error_transformers": comparison.largest_difference,
        "greedy_transformers": equal(answers, theirs(folder, prompts)),
        "error_back": float(abs(difference).max()),
        "greedy_back": equal(answers, greedy(back, prompts)),
        **conditioning(model.backbone, back.backbone),
    }


def greedy(model, prompts):
    """Prompts and 64 tokens more."""
    answer = model.generate(
        as_inputs(prompts),
        max_length=PROMPT + NEW_TOKENS,
        stop_token_ids=None,
    )
    return np.asarray(answer["token_ids"])


def theirs(folder, prompts):
    """The same of transformers."""
    import torch
    import transformers

    model = transformers.AutoModelForCausalLM.from_pretrained(
        str(folder), attn_implementation="eager"
    )
    model.generation_config.eos_token_id = None
    prompts = torch.tensor(prompts, dtype=torch.int64)
    answer = model.eval().generate(
        prompts,
        attention_mask=torch.ones_like(prompts),
        max_new_tokens=NEW_TOKENS,
        do_sample=False,
    )
    return answer.numpy()


def equal(answers, others):
    """How many new tokens of each row are equal."""
    return (answers == others)[:, PROMPT:].sum(axis=1).tolist()


def conditioning(backbone, written):
    """Of all blocks the largest condition number and offset."""
    conditions, offsets = [], []
    for ours, folded in zip(
        backbone.decoder_blocks, written.decoder_blocks, strict=True
    ):
        width = backbone.hidden_dim
        kernel = np.asarray(ours.query_key_value.kernel, "float64")
        by_head = kernel.reshape(width, backbone.num_heads, 3, -1)
        query = by_head[:, :, 0].reshape(width, width)
        conditions.append(np.linalg.cond(query))
        norms = ours.attention_norm, folded.attention_norm
        before, after = (np.asarray(norm.beta, "float64") for norm in norms)
        gamma = np.asarray(norms[0].gamma, "float64")
        share = np.mean((after - before) ** 2) / np.mean(gamma**2)
        offsets.append(share**0.5)
    return {
        "condition_number": float(max(conditions)),
        "offset": float(max(offsets)),
    }


if __name__ == "__main__":
    main()
