"""Shows a small model learn from its prompt: Figure 1.2 in miniature.

    python examples/in_context_learning.py

It takes about 10 minutes on 2 idle CPU cores: an estimate, from a run of 16
minutes (18.5 of CPU time) on shared ones. A prompt holds K demonstrations of a
task, lines such as "c>7", and a question, "f>". A task has a hidden rule: each
letter's sign or digit; or that, and which of two letters counts. A hash of the
rule decides whether the model is trained on it or asked about it. That run:

    Accuracy at held-out tasks with K = 0 1 2 4 8 16 32
      signs        49.0%   56.1%   60.7%   71.9%   85.0%   93.4%   99.0%
      dictionary    0.0%   22.7%   32.0%   48.6%   68.2%   88.9%   98.8%
      place         6.8%   23.0%   29.9%   40.0%   59.0%   79.1%   92.0%

Its figure, with 95% intervals, is `examples/data/in_context_learning.png`. At
K = 0 nothing distinguishes digits from signs: the model says the likelier, a
sign.
"""

import argparse
import dataclasses
import hashlib
import os
import pathlib
import random
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

import keras_gpt3
from keras_gpt3.atomic_write import write_json
from keras_gpt3.evaluation.few_shot.evaluate import evaluate
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap_interval
from keras_gpt3.evaluation.metrics.uncertainty import standard_error
from keras_gpt3.evaluation.results.plots import plot_shots
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS

OUT = "runs/in_context_learning"
LETTERS = "abcdefgh"
SHOTS = (0, 1, 2, 4, 8, 16, 32)
CONTEXT = 165  # Tokens: 33 lines of 5, the longest.
BATCH = 32  # Contexts.
TRAIN, TEST = 100, 8  # Records of a task to draw from, and to be asked.
HELD_OUT = 4  # One rule in so many.

# A bar on a terminal, a line an epoch in a log.
VERBOSE = 1 if sys.stdout.isatty() else 2


def main():
    """Runs the whole example."""
    arguments = parse_arguments()
    keras.utils.set_random_seed(1)
    model = make_model()
    train(model, arguments.steps)
    results = []
    print("\nAccuracy at held-out tasks with K =", *SHOTS)
    for family in FAMILIES:
        found = evaluate_family(model, family, arguments.tasks)
        results += found
        values = "  ".join(f"{result.value:6.1%}" for result in found)
        print(f"  {family.name:10}  {values}")

    model.save_to_preset(arguments.out / "preset")
    write_json(
        arguments.out / "in_context_learning.json",
        [dataclasses.asdict(result) for result in results],
    )
    draw(results, arguments.out / "in_context_learning.png")
    print(f"\nWritten to {arguments.out}")


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--tasks", type=int, default=64)
    return parser.parse_args()


# === Tasks ===


@dataclasses.dataclass(frozen=True)
class Family:
    """Tasks that differ by a hidden rule, a tuple of numbers."""

    name: str
    title: str
    num_letters: int  # In a word.
    limits: tuple  # What each number of a rule is below.
    chance: float  # What guessing gets.
    answer: object  # From a rule and a word to a character.

    def rule(self, generator, held_out):
        """Draws a rule of those trained on, or of those held out."""
        while True:
            rule = tuple(generator.randrange(limit) for limit in self.limits)
            # What a rule is decides where it belongs: no rule is in both.
            code = hashlib.sha256(f"{self.name} {rule}".encode()).digest()[-1]
            if (code % HELD_OUT == 0) == held_out:
                return rule

    def record(self, rule, generator):
        """A word of different letters, and its answer."""
        word = "".join(generator.sample(LETTERS, self.num_letters))
        return {"word": word, "answer": self.answer(rule, word)}

    def most(self, shots):
        """A bound: the accuracy of who guesses only what was never shown."""
        hidden = (1 - 1 / len(LETTERS)) ** shots
        return 1 - hidden * (1 - self.chance)


def look_up(rule, letter):
    """The number that a rule has for a letter."""
    return rule[LETTERS.index(letter)]


FAMILIES = (
    Family(
        "signs",
        "A hidden sign for each letter: c>+",
        num_letters=1,
        limits=(2,) * 8,
        chance=1 / 2,
        answer=lambda rule, word: "+-"[look_up(rule, word)],
    ),
    Family(
        "dictionary",
        "A hidden digit for each letter: c>7",
        num_letters=1,
        limits=(10,) * 8,
        chance=1 / 10,
        answer=lambda rule, word: str(look_up(rule, word)),
    ),
    Family(
        "place",
        "The digit of a hidden one of two: bd>7",
        num_letters=2,
        limits=(2, *(10,) * 8),
        chance=1 / 10,
        answer=lambda rule, word: str(look_up(rule[1:], word[rule[0]])),
    ),
)


# === Training ===


def make_model(num_layers=4, hidden_dim=64):
    """A small GPT-3 that reads single characters."""
    symbols = enumerate([*BYTE_SYMBOLS, "<|endoftext|>"])
    vocabulary = {symbol: id for id, symbol in symbols}
    tokenizer = keras_gpt3.GPT3Tokenizer(vocabulary, merges=[])
    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=tokenizer.vocabulary_size(),
        num_layers=num_layers,
        num_heads=4,
        hidden_dim=hidden_dim,
        intermediate_dim=4 * hidden_dim,
        max_sequence_length=CONTEXT,
        # A banded layer sees a word from its answer, a dense one all lines.
        attention_pattern=("banded", "dense"),
        attention_window=4,
    )
    preprocess = keras_gpt3.GPT3Preprocessor(tokenizer, sequence_length=CONTEXT)
    model = keras_gpt3.GPT3(backbone, preprocess)
    # The paper's deviation of 0.02 suits its widths of 768 and more. In so
    # narrow a model attention would stay even for thousands of steps.
    for weight in model.trainable_variables:
        if len(weight.shape) > 1:
            weight.assign(5 * weight)
    return model


def context(generator):
    """Demonstrations of one task, and the weight of each token's loss."""
    family = generator.choice(FAMILIES)
    rule = family.rule(generator, held_out=False)
    text, weights = "", []
    while len(text) <= CONTEXT:
        record = family.record(rule, generator)
        text += "{word}>{answer}\n".format(**record)
        # Words are random: there is nothing to learn from them.
        weights += [0.0] * family.num_letters + [0.0, 1.0, 0.0]
    return text[: CONTEXT + 1], weights[1 : CONTEXT + 1]


def training_data(tokenizer):
    """Endless batches for `fit`, drawn by a seed."""

    def batches():
        generator = random.Random(1)
        mask = np.ones((BATCH, CONTEXT), "bool")
        while True:
            contexts = [context(generator) for _ in range(BATCH)]
            texts, weights = zip(*contexts, strict=True)
            ids = np.array(tokenizer.encode_batch(list(texts)), "int32")
            inputs = {"token_ids": ids[:, :-1], "padding_mask": mask}
            yield inputs, ids[:, 1:], np.array(weights, "float32")

    ids, mask, weights = (
        tf.TensorSpec((BATCH, CONTEXT), dtype)
        for dtype in ("int32", "bool", "float32")
    )
    signature = {"token_ids": ids, "padding_mask": mask}, ids, weights
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return data.prefetch(4)


def train(model, steps):
    """Trains the model by the paper's schedule, in ten epochs."""
    tokens = steps * BATCH * CONTEXT
    recipe = keras_gpt3.training.PretrainingRecipe(
        batch_tokens=BATCH * CONTEXT,
        learning_rate=1e-3,
        total_tokens=tokens,
        warmup_tokens=0.02 * tokens,
        decay_tokens=tokens,
    )
    model.compile(optimizer=recipe.optimizer())
    data = training_data(model.preprocessor.tokenizer)
    epochs = min(10, steps)
    each = steps // epochs
    model.fit(data, epochs=epochs, steps_per_epoch=each, verbose=VERBOSE)


# === Evaluation ===


def task_of(family, name):
    """A task as the package's evaluation takes it."""
    return Task(
        name=name,
        title=family.title,
        paper="Figure 1.2",
        fields={"word": "string", "answer": "string"},
        context="{{ word }}>",
        target="{{ answer }}",
        scoring="greedy",
        metrics=("accuracy",),
        shots=max(SHOTS),
        delimiter="\n",
        random_accuracy=family.chance,
    )


def evaluate_family(model, family, num_tasks):
    """A list of `TaskResult` at held-out tasks, one for each K."""
    generator = random.Random(2)
    tasks, records = [], {}
    for number in range(num_tasks):
        rule = family.rule(generator, held_out=True)
        drawn = [family.record(rule, generator) for _ in range(TRAIN + TEST)]
        splits = {"train": drawn[:TRAIN], "test": drawn[TRAIN:]}
        tasks.append(task_of(family, f"{family.name}_{number}"))
        records[tasks[-1].name] = splits
    name = f"{model.count_params():,} parameters"
    found = evaluate(
        model, tasks, SHOTS, records=records, name=name, verbose=False
    )
    return [
        mean_result(family, [r for r in found if r.shots == shots])
        for shots in SHOTS
    ]


def mean_result(family, results):
    """One result of many; errors are over tasks, which are independent."""
    values = [result.value for result in results]
    return dataclasses.replace(
        results[0],
        task=family.name,
        value=float(np.mean(values)),
        standard_error=standard_error(values),
        interval=bootstrap_interval(values),
        num_examples=sum(result.num_examples for result in results),
    )


def draw(results, path):
    """Draws the results, and the most that can be known."""
    families = {family.name: family for family in FAMILIES}
    bounds = []
    for result in results:
        most = families[result.task].most(result.shots)
        known = {"value": most, "interval": (most, most)}
        known["model"] = "the most that can be known"
        bounds.append(dataclasses.replace(result, **known))
    tasks = [task_of(family, family.name) for family in FAMILIES]
    plot_shots(bounds + results, tasks, path)  # The model's curves on top.


if __name__ == "__main__":
    main()
