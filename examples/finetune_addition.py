"""Teaches the quickstart's model two-digit addition, by fine-tuning it.

    make quickstart                      # once: makes runs/quickstart/preset
    python examples/finetune_addition.py

On 2 idle CPU cores it takes about 6 minutes: an estimate, from a run that took
10.7 minutes of CPU time on cores that were shared (17 by the clock). In that
run the share of held-out problems that the model answers rightly rose from 0%
to 100%. Everything is written to `runs/finetune_addition`.

The wording is that of GPT-3's arithmetic tasks (section 3.9.1 of the paper):
"Q: What is 98 plus 45?". The numbers are written otherwise: digit by digit and
equally long, as in "Q: What is 9 8 plus 0 5?" and "A: 1 0 3". To the tokenizer
" 98" is one token, so that the model would have to learn what each of 199
numbers means. Ten digits, always in the same places, are learned sooner.

Of the 10,000 problems 1,003 are held out, whichever number comes first. Nothing
is chosen by them: the model is that of the last epoch, and the settings were
found on other problems.
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
from keras_gpt3.training.finetuning.folder import write_finetuned

PRESET = pathlib.Path("runs/quickstart/preset")
OUT = pathlib.Path("runs/finetune_addition")
HELD_OUT = 0.1  # Of the problems.
CONTEXT = 17  # Tokens: a problem has 14, its answer 3, the end is predicted.
WRONG_SHOWN = 5

# A bar on a terminal, a line an epoch in a log.
VERBOSE = 1 if sys.stdout.isatty() else 2


def main():
    """Runs the whole example."""
    arguments = parse_arguments()
    keras.utils.set_random_seed(1)
    model = load_model(arguments.preset)
    training, held_out = problems(np.random.default_rng(1))
    print(f"{len(training):,} problems to train on, {len(held_out):,} held out")
    report("before", held_out, answers(model, held_out))

    # === Training ===
    recipe = keras_gpt3.training.FinetuningRecipe(
        epochs=arguments.epochs,
        batch_size=64,
        learning_rate=arguments.learning_rate,
        weight_decay=0.3,
        # All problems are equally long: nothing is padded, and none of a
        # batch reads another.
        layout="padded",
    )
    examples = keras_gpt3.data.CompletionExamples(
        training, model.preprocessor, sequence_length=CONTEXT
    )
    history = keras_gpt3.training.finetune(
        model, examples, recipe, verbose=VERBOSE
    )

    # === Testing, saving ===
    answered = answers(model, held_out)
    report("after", held_out, answered)
    show_wrong(held_out, answered)
    written = write(model, history, recipe, held_out, arguments.out)
    print("\nWritten:")
    for path in written:
        print(f"  {path}")


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--preset", type=pathlib.Path, default=PRESET)
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("--epochs", type=int, default=16)
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
    prompt = f"Q: What is{digits(a, 2)} plus{digits(b, 2)}?\n\nA:"
    return prompt, digits(a + b, 3)


def digits(number, length):
    """A number with a space before each digit, which makes it a token."""
    return "".join(f" {digit}" for digit in f"{number:0{length}}")


def answers(model, pairs):
    """What the model says to each prompt: three digits, then the end."""
    prompts = [prompt for prompt, _ in pairs]
    texts = model.generate(prompts, max_new_tokens=4)
    return [
        text.removeprefix(prompt)
        for prompt, text in zip(prompts, texts, strict=True)
    ]


def report(when, pairs, answered):
    """Prints the share of problems that are answered exactly rightly."""
    expected = [completion for _, completion in pairs]
    share = np.mean([x == y for x, y in zip(answered, expected, strict=True)])
    print(f"Held-out problems answered rightly {when}: {share:.1%}")


def show_wrong(pairs, answered):
    """Prints the first few problems that are answered wrongly."""
    wrong = [
        (prompt, completion, answer)
        for (prompt, completion), answer in zip(pairs, answered, strict=True)
        if answer != completion
    ]
    for prompt, completion, answer in wrong[:WRONG_SHOWN]:
        question = prompt.replace("\n\n", " ")
        print(f"  {question}{answer} (not{completion})")


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
