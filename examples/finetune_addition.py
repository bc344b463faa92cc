"""Teaches the quickstart's model two-digit addition, by fine-tuning it.

    make quickstart                      # once: makes runs/quickstart/preset
    python examples/finetune_addition.py

On 2 CPU cores it takes about 8 minutes. The problems are written as GPT-3's
arithmetic tasks were (section 3.9.1 of the paper): "Q: What is 98 plus 45?".
Of the 10,000 that there are, about 400 are held out, whichever number comes
first. Expect the share of them that the model answers rightly to rise from 0%
to above 60%. Everything is written to `runs/finetune_addition`.
"""

import argparse
import json
import os
import pathlib
import shutil
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

import keras_gpt3
from keras_gpt3.training.finetuned_folder import write_finetuned

PRESET = pathlib.Path("runs/quickstart/preset")
OUT = pathlib.Path("runs/finetune_addition")
HELD_OUT = 0.04  # Of the problems.
CONTEXT = 16  # Tokens: a problem has 14, its answer one, the end is predicted.

# A bar on a terminal, a line an epoch in a log.
VERBOSE = 1 if sys.stdout.isatty() else 2


def main():
    """Runs the whole example."""
    arguments = parse_arguments()
    keras.utils.set_random_seed(1)
    model = load_model(arguments.preset)
    training, held_out = problems(np.random.default_rng(1))
    before = accuracy(model, held_out)
    recipe = keras_gpt3.training.FinetuningRecipe(
        epochs=arguments.epochs,
        batch_size=64,
        learning_rate=arguments.learning_rate,
        weight_decay=0.3,
        layout="padded",
    )
    history = keras_gpt3.training.finetune(
        model,
        examples(training, model),
        recipe,
        validation=examples(held_out, model),
        verbose=VERBOSE,
    )
    after = accuracy(model, held_out)
    written = write(model, history, recipe, held_out, arguments.out)
    prompt, _ = held_out[0]
    print(f"\nFrom the model:{model.generate(prompt, max_new_tokens=2)}")
    print(f"\nHeld-out problems answered rightly: {before:.1%} -> {after:.1%}")
    print("\nWritten:")
    for path in written:
        print(f"  {path}")


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", type=pathlib.Path, default=PRESET)
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("--epochs", type=int, default=40)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    return parser.parse_args()


def load_model(preset):
    """The model of the quickstart; it answers greedily."""
    if not preset.is_dir():
        sys.exit(
            f"The model of the quickstart must be there. Received: '{preset}',"
            " which is missing. Run `make quickstart` first."
        )
    model = keras_gpt3.GPT3.from_preset(preset)
    model.compile(sampler="greedy")
    return model


def problems(generator):
    """All sums of two numbers below 100, as prompts and completions.

    Args:
        generator: `numpy.random.Generator`. Which are held out.

    Returns:
        A pair of lists of pairs of strings: to train on, and held out. If
        `a + b` is held out, so is `b + a`.
    """
    training, held_out = [], []
    for a in range(100):
        for b in range(a, 100):
            part = held_out if generator.random() < HELD_OUT else training
            part.extend(problem(*pair) for pair in {(a, b), (b, a)})
    return training, held_out


def problem(a, b):
    """A prompt in the words of the paper's task, and its completion."""
    return f"\n\nQ: What is {a} plus {b}?\n\nA:", f" {a + b}"


def examples(pairs, model):
    """The pairs in the model's tokens."""
    return keras_gpt3.data.CompletionExamples(
        pairs, model.preprocessor, sequence_length=CONTEXT
    )


def accuracy(model, pairs):
    """The share of prompts that the model completes as it should."""
    answers = model.generate([x for x, _ in pairs], max_new_tokens=2)
    expected = [prompt + completion for prompt, completion in pairs]
    return np.mean([x == y for x, y in zip(answers, expected, strict=True)])


def write(model, history, recipe, held_out, out):
    """Writes the model and what it was held to; replaces an earlier run's."""
    shutil.rmtree(out, ignore_errors=True)
    written = write_finetuned(model, out, history, recipe)
    problems_file = out / "held_out.jsonl"
    lines = [
        json.dumps({"prompt": prompt, "completion": completion})
        for prompt, completion in held_out
    ]
    problems_file.write_text("\n".join(lines) + "\n", "utf-8")
    return [*written.values(), problems_file]


if __name__ == "__main__":
    main()
