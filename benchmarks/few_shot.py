"""What the cache of shared demonstrations saves, at K = 50.

    python benchmarks/few_shot.py [--questions 16]

Questions of two-digit addition after the same 50 demonstrations (some 700
tokens), their answers scored by likelihood, with GPT-3 Small's size and random
weights. Three sides by turns, in one process: the demonstrations read once and
kept; every prompt read whole; and the `score` of keras-hub's GPT-2 of the same
size, which knows whole prompts only. Prints one JSON object: medians of
seconds for all questions, the two ratios, and how far the likelihoods of the
first two sides are apart. More questions make the first ratio larger.
"""

import argparse
import dataclasses
import json
import os
import statistics
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras_hub
import numpy as np
from harness.progress import log
from harness.versions import versions

import keras_gpt3
from keras_gpt3.evaluation.few_shot.question import make_questions
from keras_gpt3.evaluation.few_shot.shared_batches import PairScores
from keras_gpt3.evaluation.task_definitions.task_data import task_examples
from keras_gpt3.evaluation.task_definitions.task_file import find_tasks

TASK, SHOTS = "two_digit_addition", 50


def main():
    """Measures all sides and prints one JSON object."""
    arguments = parse_arguments()
    model = keras_gpt3.GPT3.from_preset(
        "gpt3_small_en",
        num_layers=arguments.num_layers,
        attention_pattern=("dense",),
        max_sequence_length=1024,
    )
    rows = make_rows(model, arguments.questions)
    sides = {
        "shared_prefix": lambda: shared(model, rows, arguments.batch_size),
        "whole_prompts": lambda: whole(model, rows, arguments.batch_size),
        "keras_hub": KerasHub(model, rows, arguments.batch_size),
    }
    seconds, results = {name: [] for name in sides}, {}
    # The first round traces the graphs.
    for round_number in range(arguments.repetitions + 1):
        for name, side in sides.items():
            log(f"{name}: round {round_number} of {arguments.repetitions}")
            start = time.perf_counter()
            results[name] = side()
            seconds[name].append(time.perf_counter() - start)
    medians = {name: statistics.median(s[1:]) for name, s in seconds.items()}
    gap = np.abs(
        np.subtract(results["shared_prefix"], results["whole_prompts"])
    )
    report = {
        "benchmark": "few_shot",
        "versions": versions("keras-gpt3", "keras-hub", "keras", "tensorflow"),
        "configuration": vars(arguments) | {"shots": SHOTS, "task": TASK},
        "seconds": {name: round(x, 3) for name, x in medians.items()},
        "to_shared_prefix": {
            name: round(medians[name] / medians["shared_prefix"], 2)
            for name in ("whole_prompts", "keras_hub")
        },
        "largest_difference": float(gap.max()),
    }
    print(json.dumps(report, indent=2))


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--questions", type=int, default=16)
    parser.add_argument("--num-layers", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--repetitions", type=int, default=3)
    return parser.parse_args()


def make_rows(model, count):
    """Pairs of a prompt and its answer, as token ids."""
    (task,) = find_tasks(TASK)
    # Scored by likelihood: it is the prompts that take time.
    task = dataclasses.replace(task, scoring="greedy")
    train, test = (task_examples(task, split) for split in ("train", "test"))
    questions = make_questions(model, task, train, test[:count], SHOTS, draws=1)
    return [(q.prompts[0], q.answers[0]) for q in questions]


def shared(model, rows, batch_size):
    """Log-likelihoods, the demonstrations read once, as `evaluate` does."""
    scores = dict(PairScores(model, batch_size)(rows))
    return [scores[i].log_likelihood for i in range(len(rows))]


def whole(model, rows, batch_size):
    """Log-likelihoods, each prompt read whole."""
    scores = model.score(
        [list(prompt) for prompt, _ in rows],
        [list(answer) for _, answer in rows],
        batch_size=batch_size,
    )
    return [score.log_likelihood for score in scores]


class KerasHub:
    """Scores the same rows with keras-hub's GPT-2, padded to one length.

    Args:
        model: `GPT3`. Has the shape.
        rows: list of pairs of prompt and answer, token ids.
        batch_size: int.
    """

    def __init__(self, model, rows, batch_size):
        config = model.backbone.get_config()
        names = ("vocabulary_size", "num_layers", "num_heads", "hidden_dim")
        backbone = keras_hub.models.GPT2Backbone(
            **{name: config[name] for name in names},
            intermediate_dim=config["intermediate_dim"],
            max_sequence_length=config["max_sequence_length"],
        )
        self._model = keras_hub.models.GPT2CausalLM(backbone)
        texts = [prompt + answer for prompt, answer in rows]
        longest = max(map(len, texts))
        self._ids = np.zeros((len(rows), longest), "int32")
        self._mask = np.zeros((len(rows), longest), "bool")
        for row, ids in enumerate(texts):
            self._ids[row, : len(ids)] = ids
            self._mask[row, : len(ids)] = True
        self._batch_size = batch_size

    def __call__(self):
        losses = []
        for first in range(0, len(self._ids), self._batch_size):
            part = slice(first, first + self._batch_size)
            ids = self._ids[part]
            targets = np.roll(ids, -1, axis=1)
            losses.append(
                self._model.score(
                    ids,
                    self._mask[part],
                    scoring_mode="loss",
                    target_ids=targets,
                )
            )
        return np.concatenate(losses).sum(axis=1).tolist()


if __name__ == "__main__":
    main()
