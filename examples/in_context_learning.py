"""Shows in-context learning: accuracy rises with demonstrations, untrained on.

python examples/in_context_learning.py
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
from keras_gpt3.evaluation.evaluate import evaluate
from keras_gpt3.evaluation.results_file import write_results
from keras_gpt3.evaluation.shots_plot import plot_shots
from keras_gpt3.evaluation.task import Task
from keras_gpt3.evaluation.uncertainty import bootstrap_interval
from keras_gpt3.evaluation.uncertainty import standard_error
from keras_gpt3.tokenization.byte_alphabet import BYTE_SYMBOLS

OUT = pathlib.Path("runs/in_context_learning")
LETTERS, DIGITS = "abcdefgh", "0123456789"
SHOTS = (0, 1, 2, 4, 8, 16, 32)
CONTEXT = 165  # Tokens: 33 lines of 5, the longest.
QUESTIONS = 8  # To each task, with demonstrations of its own each.
HELD_OUT = 4  # One rule in so many.

# A bar on a terminal, a line an epoch in a log.
VERBOSE = 1 if sys.stdout.isatty() else 2


def main():
    """Runs the whole example."""
    arguments = parse_arguments()
    keras.utils.set_random_seed(1)
    model = make_model(arguments.num_layers, arguments.hidden_dim)
    train(model, arguments.steps, arguments.batch_size, arguments.learning_rate)
    arguments.out.mkdir(parents=True, exist_ok=True)
    model.save_to_preset(arguments.out / "preset")

    print(f"\nAccuracy at held-out tasks with K = {', '.join(map(str, SHOTS))}")
    results = []
    for family in FAMILIES:
        found = evaluate_family(model, family, arguments.tasks)
        values = "  ".join(f"{result.value:6.1%}" for result in found)
        print(f"  {family.name:10}  {values}")
        results += found
    figure, numbers = (
        arguments.out / f"in_context_learning.{ending}"
        for ending in ("png", "json")
    )
    draw(results, figure)
    write_results(results, numbers)
    print(f"\nWritten:\n  {figure}\n  {numbers}\n  {arguments.out / 'preset'}")


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--batch-size", type=int, default=32)
    parser.add_argument("--learning-rate", type=float, default=3e-3)
    parser.add_argument("--num-layers", type=int, default=4)
    parser.add_argument("--hidden-dim", type=int, default=64)
    parser.add_argument("--tasks", type=int, default=64)
    return parser.parse_args()


# === Tasks ===


@dataclasses.dataclass(frozen=True)
class Family:
    """Tasks that differ by a hidden rule: some numbers.

    Args:
        name: string.
        title: string.
        num_letters: int. Letters in a word, of which the answer is made.
        limits: tuple of ints. A rule has a number below each.
        chance: float. What guessing without a demonstration gets.
        answer: callable from a rule and a word to a string.
    """

    name: str
    title: str
    num_letters: int
    limits: tuple
    chance: float
    answer: object

    def rule(self, generator, held_out):
        """Draws a rule of those trained on, or of those held out."""
        while True:
            rule = tuple(generator.randrange(limit) for limit in self.limits)
            # What a rule is decides where it belongs: no rule is in both.
            text = f"{self.name} {rule}".encode()
            code = int(hashlib.sha256(text).hexdigest(), 16)
            if (code % HELD_OUT == 0) == held_out:
                return rule

    def record(self, rule, generator):
        """A word of different letters, and its answer."""
        word = "".join(generator.sample(LETTERS, self.num_letters))
        return {"word": word, "answer": self.answer(rule, word)}

    def most(self, shots):
        """The accuracy of who knows what was shown, and guesses the rest."""
        hidden = (1 - 1 / len(LETTERS)) ** shots
        return 1 - hidden * (1 - self.chance)


FAMILIES = (
    Family(
        "signs",
        "A hidden sign for each letter: c>+",
        num_letters=1,
        limits=(2,) * 8,
        chance=1 / 2,
        answer=lambda rule, word: "+-"[rule[LETTERS.index(word)]],
    ),
    Family(
        "dictionary",
        "A hidden digit for each letter: c>7",
        num_letters=1,
        limits=(10,) * 8,
        chance=1 / 10,
        answer=lambda rule, word: DIGITS[rule[LETTERS.index(word)]],
    ),
    Family(
        "place",
        "The digit of the letter at a hidden place: bd>7",
        num_letters=2,
        limits=(2, *(10,) * 8),
        chance=1 / 10,
        answer=lambda rule, word: DIGITS[
            rule[1 + LETTERS.index(word[rule[0]])]
        ],
    ),
)


# === Training ===


def make_model(num_layers, hidden_dim):
    """A small GPT-3 that reads single characters."""
    symbols = [*BYTE_SYMBOLS, "<|endoftext|>"]
    tokenizer = keras_gpt3.GPT3Tokenizer(
        {symbol: id for id, symbol in enumerate(symbols)}, merges=[]
    )
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
    preprocessor = keras_gpt3.GPT3Preprocessor(
        tokenizer, sequence_length=CONTEXT
    )
    return keras_gpt3.GPT3(backbone, preprocessor)


def context(generator):
    """Demonstrations of one task, and the weight of each token's loss."""
    family = generator.choice(FAMILIES)
    rule = family.rule(generator, held_out=False)
    text, weights = "", []
    while len(text) <= CONTEXT:
        record = family.record(rule, generator)
        text += "{word}>{answer}\n".format(**record)
        # Words are random: there is nothing to learn from them.
        weights += [0.0] * (len(record["word"]) + 1)
        weights += [1.0] * len(record["answer"]) + [0.0]
    return text[: CONTEXT + 1], weights[1 : CONTEXT + 1]


def training_data(tokenizer, batch_size):
    """Endless batches for `fit`, drawn by a seed."""

    def batches():
        generator = random.Random(1)
        mask = np.ones((batch_size, CONTEXT), "bool")
        while True:
            contexts = [context(generator) for _ in range(batch_size)]
            texts, weights = zip(*contexts, strict=True)
            ids = np.array(tokenizer.encode_batch(list(texts)), "int32")
            inputs = {"token_ids": ids[:, :-1], "padding_mask": mask}
            yield inputs, ids[:, 1:], np.array(weights, "float32")

    def spec(dtype):
        return tf.TensorSpec((batch_size, CONTEXT), dtype)

    inputs = {"token_ids": spec("int32"), "padding_mask": spec("bool")}
    signature = inputs, spec("int32"), spec("float32")
    data = tf.data.Dataset.from_generator(batches, output_signature=signature)
    return data.prefetch(4)


def train(model, steps, batch_size, learning_rate):
    """Trains the model with the paper's schedule, in ten epochs."""
    batch_tokens = batch_size * CONTEXT
    epochs = min(10, steps)
    steps_per_epoch = steps // epochs
    recipe = keras_gpt3.training.PretrainingRecipe(
        batch_tokens=batch_tokens,
        learning_rate=learning_rate,
        total_tokens=steps * batch_tokens,
        warmup_tokens=0.02 * steps * batch_tokens,
        decay_tokens=steps * batch_tokens,
    )
    model.compile(optimizer=recipe.optimizer())
    model.fit(
        training_data(model.preprocessor.tokenizer, batch_size),
        epochs=epochs,
        steps_per_epoch=steps_per_epoch,
        verbose=VERBOSE,
    )


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
        # Right is an answer of which each token is the likeliest.
        scoring="greedy",
        metrics=("accuracy",),
        shots=max(SHOTS),
        delimiter="\n",
        random_accuracy=family.chance,
    )


def evaluate_family(model, family, num_tasks):
    """Accuracies at held-out tasks, one for each K.

    Args:
        model: `GPT3`.
        family: `Family`.
        num_tasks: int.

    Returns:
        A list of `TaskResult`. Errors and intervals are over tasks, for the
        questions to a task are not independent.
    """
    generator = random.Random(2)
    tasks, records = [], {}
    for number in range(num_tasks):
        rule = family.rule(generator, held_out=True)
        tasks.append(task_of(family, f"{family.name}_{number}"))
        records[tasks[-1].name] = {
            split: [family.record(rule, generator) for _ in range(size)]
            for split, size in (("train", 100), ("test", QUESTIONS))
        }
    found = evaluate(
        model,
        tasks,
        SHOTS,
        records=records,
        batch_size=QUESTIONS,
        name=f"{model.count_params():,} parameters",
        verbose=False,
    )
    return [
        mean_result(family, [r for r in found if r.shots == shots])
        for shots in SHOTS
    ]


def mean_result(family, results):
    """The results of many tasks as one."""
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
    tasks = {family.name: task_of(family, family.name) for family in FAMILIES}
    families = {family.name: family for family in FAMILIES}
    most = []
    for result in results:
        value = families[result.task].most(result.shots)
        most.append(
            dataclasses.replace(
                result,
                model="the most that can be known",
                value=value,
                interval=(value, value),
            )
        )
    plot_shots([*results, *most], tasks.values(), path)


if __name__ == "__main__":
    main()
