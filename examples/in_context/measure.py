"""Accuracy at held-out tasks over K, and whether training saw a test."""

import collections
import dataclasses
import itertools
import json
import random

import numpy as np
from mixture import documents
from task_families import FAMILIES

from keras_gpt3.data.documents import Documents
from keras_gpt3.evaluation.contamination.contamination import (
    check_contamination,
)
from keras_gpt3.evaluation.few_shot.evaluate import evaluate
from keras_gpt3.evaluation.metrics.uncertainty import mean_interval
from keras_gpt3.evaluation.metrics.uncertainty import standard_error
from keras_gpt3.evaluation.task_definitions.task import Task

SHOTS = (0, 1, 2, 4, 8, 16, 32)
SEED = 2
# Of a draw: records to take demonstrations from, and questions after them.
TRAIN, TEST = 40, 8
UNDESCRIBED = "_undescribed"


def task_of(family, described=True, number=None):
    """A task as the package's evaluation takes it."""
    name = family.name + ("" if described else UNDESCRIBED)
    return Task(
        name=name if number is None else f"{name}_{number}",
        title=family.title,
        paper="Figure 1.2",
        fields={"question": "string", "answer": "string"},
        context="{{ question }}",
        target="{{ answer }}",
        scoring="greedy",
        metrics=("accuracy",),
        shots=max(SHOTS),
        instruction=family.description if described else "",
        delimiter="\n",
        random_accuracy=family.chance,
    )


@dataclasses.dataclass(frozen=True)
class Draw:
    """A rule that was held out, its demonstrations and its questions."""

    rule: tuple
    train: list
    test: list


def draws_of(family, count):
    """Held-out rules; of words and sums, the questions alone are held out."""
    generator = random.Random(f"{SEED} {family.name}")
    draws = []
    for _ in range(count):
        rule = family.rule(generator, held_out=True)
        train = [family.record(rule, generator) for _ in range(TRAIN)]
        test = [family.record(rule, generator, True) for _ in range(TEST)]
        draws.append(Draw(rule, train, test))
    return draws


# === Accuracy ===


def evaluate_family(model, family, described, name, num_draws):
    """A list of `TaskResult`, one for each K."""
    tasks, records = [], {}
    for number, draw in enumerate(draws_of(family, num_draws)):
        tasks.append(task_of(family, described, number))
        splits = {"train": draw.train, "test": draw.test}
        records[tasks[-1].name] = splits
    # The questions of a draw share its demonstrations, which are read once.
    found = evaluate(
        model,
        tasks,
        SHOTS,
        records=records,
        name=name,
        draws=1,
        batch_size=TEST,
        verbose=False,
    )
    by_shots = collections.defaultdict(list)
    for result in found:
        by_shots[result.shots].append(result)
    task = task_of(family, described)
    return [mean_result(task, results) for results in by_shots.values()]


def mean_result(task, results):
    """One result of many; errors are over draws, which are independent."""
    values = [result.value for result in results]
    return dataclasses.replace(
        results[0],
        task=task.name,
        value=float(np.mean(values)),
        standard_error=standard_error(values),
        interval=mean_interval(values),
        num_examples=sum(result.num_examples for result in results),
        draws=len(results),
    )


def evaluate_size(model, name, num_draws):
    """The results of a model at all families, with and without description."""
    results = []
    print(f"\nAccuracy of {name} at held-out tasks with K =", *SHOTS)
    for family in FAMILIES:
        for described in (True, False):
            found = evaluate_family(model, family, described, name, num_draws)
            results += found
            values = "  ".join(f"{result.value:6.1%}" for result in found)
            print(f"  {found[0].task:30}  {values}", flush=True)
    return results


# === Contamination ===


def write_documents(texts, path, count):
    """Writes what is trained on, one JSON object a line.

    The lines of a hidden rule come in a random order, and rules share lines.
    So each is followed by its rule in words: no two have the same.
    """
    with path.open("w", encoding="utf-8") as file:
        for document in itertools.islice(documents(texts), count):
            text = document.text
            if document.rule:
                text += f"\n{document.family.fact(document.rule, None)}"
            file.write(json.dumps({"text": text}) + "\n")


def tested_facts(num_draws):
    """What the tests ask, by family: rules in words, or lines."""
    return {
        family.name: sorted(
            {
                family.fact(draw.rule, record)
                for draw in draws_of(family, num_draws)
                for record in draw.test
            }
        )
        for family in FAMILIES
    }


def contamination(facts, path):
    """Which facts are in a file of documents, as `Contamination` by family."""
    # As in `keras-gpt3 contamination`, generated sets have short n-grams:
    # here their whole length.
    return check_contamination(
        facts, Documents([path]), verbose=False, synthetic=tuple(facts)
    )
