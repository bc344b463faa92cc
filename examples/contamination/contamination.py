"""What a test in the training text does to its score: Figure 4.2 in miniature.

    python examples/contamination/contamination.py

Two small models are trained alike, one on chapters of novels, the other on the
same with 200 sentences planted, each 40 times. Both then have to find the last
word of 400 sentences of other chapters, those 200 among them. It takes 8
minutes on 2 CPU cores of which other work takes one. A run:

    Accuracy           planted  not planted  difference
      clean              52.5%        53.5%   -1.0 ± 5.0
      contaminated       89.0%        42.0%  +47.0 ± 4.1

It prints the commands that it runs: `keras-gpt3 prepare`, `pretrain` by
`run.yaml`, `evaluate` and `contamination`. The run's numbers and figure are
`contamination.json` and `.png`, beside this file; a new run writes them into
`runs/contamination`. To be run from the root of the repository; needs the
extras `pretrain` and `evaluate`.
"""

import argparse
import contextlib
import dataclasses
import json
import math
import os
import pathlib
import random
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# The folder of a script that is run is where Python looks first.
from contamination_figure import PARTS
from contamination_figure import draw
from sentence_endings import count_words
from sentence_endings import find_sentences
from sentence_endings import make_items
from sentence_endings import text_of

from keras_gpt3.atomic_write import write_json
from keras_gpt3.cli.main import app
from keras_gpt3.data.json_objects import read_json_objects
from keras_gpt3.evaluation.contamination.contamination import Contamination
from keras_gpt3.evaluation.contamination.contamination_scores import (
    contamination_scores,
)
from keras_gpt3.evaluation.contamination.contamination_scores import (
    read_outcome_scores,
)
from keras_gpt3.evaluation.metrics.uncertainty import standard_error
from keras_gpt3.evaluation.task_definitions.task_data import task_examples
from keras_gpt3.evaluation.task_definitions.task_file import find_tasks

HERE = pathlib.Path("examples/contamination")
OUT = pathlib.Path("runs/contamination")
NOVELS = HERE.parent / "data" / "novels.jsonl.gz"

# Of each set's items the share that is planted, half of all.
SETS = {f"endings_{share}": share for share in (10, 30, 50, 70, 90)}
ITEMS = 80  # Of a set.
COPIES = 40  # Of a planted item.
MODELS = ("clean", "contaminated")

# Of five chapters in a row the first gives items, the second is in the corpora.
EVERY, OF_ITEMS, OF_CORPUS = 5, 0, 1

TASK = """\
name: {name}
title: Endings of sentences, {share}% planted
fields: {{beginning: string, choices: list, label: integer}}
context: "{{{{ beginning }}}}"
choices: "{{{{ choices | spaced }}}}"
label: "{{{{ label }}}}"
scoring: per_token
metrics: [accuracy]
shots: 0
random_accuracy: 0.25
"""


def main():
    """Runs the whole example."""
    arguments = parse_arguments()
    out, before = arguments.out, os.getloadavg()
    num_items, copies = (20, 2) if arguments.quick else (ITEMS, COPIES)
    make_data(out, num_items, copies)
    seconds = {}
    for model in MODELS:
        with timed(seconds, f"{model}: pretrain"):
            train(out, model, arguments.quick)
        with timed(seconds, f"{model}: evaluate and compare"):
            evaluate(out, model)
            compare(out, model, "contaminated")
    # The other half of the check: nothing of the items is in the clean corpus.
    compare(out, "clean", "clean")

    report = {
        "command": " ".join(["python", *sys.argv]),
        "machine": {
            "cores": os.cpu_count(),
            "load_before": before,
            "load_after": os.getloadavg(),
        },
        "seconds": seconds,
        "items_of_a_set": num_items,
        "copies_of_a_planted_item": copies,
        "dirty_in_the_clean_corpus": count_dirty_in_clean_corpus(out),
        "models": {model: findings(out, model) for model in MODELS},
    }
    write_json(out / "contamination.json", report)
    draw(report, out / "contamination.png")
    show(report)
    print(f"\nWritten to {out}")


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=pathlib.Path, default=OUT)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="a test that all runs, in minutes; the models learn nothing",
    )
    arguments = parser.parse_args()
    if arguments.out.exists():
        parser.error(
            "--out must be a new folder, as an earlier run would be continued. "
            f"Received: --out={arguments.out}. Remove it, or name another."
        )
    return arguments


# === Data ===


def make_data(out, num_items, copies):
    """Writes the sets, their tasks, and the corpus without and with items."""
    generator = random.Random(0)
    texts = [value["text"] for _, value in read_json_objects(str(NOVELS), "")]
    chapters, corpus = (texts[first::EVERY] for first in (OF_ITEMS, OF_CORPUS))
    sentences = find_sentences(chapters, count_words(corpus))
    drawn = generator.sample(sentences, num_items * len(SETS))
    items = make_items(drawn, generator)
    planted = []
    for number, (name, share) in enumerate(SETS.items()):
        own = items[number * num_items : (number + 1) * num_items]
        planted += own[: share * num_items // 100]
        write_lines(out / "data" / name / "test.jsonl", own)
        task = TASK.format(name=name, share=share)
        (out / "data" / f"{name}.yaml").write_text(task, "utf-8")

    clean = [{"text": text} for text in corpus]
    # Each copy is a document of its own, each time among others.
    copied = [{"text": text_of(item)} for item in planted] * copies
    mixed = generator.sample(clean + copied, len(clean) + len(copied))
    write_lines(out / "clean.jsonl", clean)
    write_lines(out / "contaminated.jsonl", mixed)
    for name in MODELS:
        run("prepare", out / f"{name}.jsonl", "--out", out / "shards" / name)


def write_lines(path, objects):
    """Writes a JSON object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(each) + "\n" for each in objects]
    path.write_text("".join(lines), "utf-8")


# === Commands of the package ===


def train(out, model, quick):
    """Trains a model on its corpus: nothing else differs."""
    shards = out / "shards" / model
    settings = [f"folder={out / model}", f"data.shards={{{model}: {shards}}}"]
    if quick:
        settings += ["recipe.total_tokens=10e3", "recipe.warmup_tokens=5e3"]
    options = repeated("--set", settings)
    run("pretrain", "--config", HERE / "run.yaml", *options)


def evaluate(out, model):
    """Asks a model all items."""
    folder = out / "evaluation" / model
    options = ["--out", folder, "--batch-size", 32, "--name", model]
    run("evaluate", "--model", out / model / "preset", *tasks(out), *options)


def compare(out, model, corpus):
    """Finds the items that a corpus holds, and what a model got of them."""
    outcomes = repeated("--outcomes", outcome_files(out, model).values())
    options = [*outcomes, "--out", report_folder(out, model, corpus)]
    run("contamination", out / "shards" / corpus, *tasks(out), *options)


def repeated(option, values):
    """The words of an option that is given several times."""
    return [word for value in values for word in (option, value)]


def tasks(out):
    """The options that name the sets."""
    paths = [str(out / "data" / f"{name}.yaml") for name in SETS]
    return ["--tasks", ",".join(paths), "--data", out / "data"]


def outcome_files(out, model):
    """The file of a model's outcomes of each set."""
    folder = out / "evaluation" / model / "outcomes"
    return {name: next(folder.glob(f"{name}-*.jsonl")) for name in SETS}


def report_folder(out, model, corpus):
    """Where the comparison of a model with a corpus lies."""
    return out / "contamination" / f"{model}_model_{corpus}_corpus"


def run(*words):
    """Runs a command of the package, in this process."""
    words = list(map(str, words))
    print(f"\n$ keras-gpt3 {' '.join(words)}", flush=True)
    code = app(words, standalone_mode=False)
    if code:
        sys.exit(code)


@contextlib.contextmanager
def timed(seconds, name):
    """Adds the seconds of a block: by the clock, and of all cores."""
    wall, cpu = time.perf_counter(), time.process_time()
    yield
    seconds[name] = {
        "wall": round(time.perf_counter() - wall),
        "cpu": round(time.process_time() - cpu),
    }


# === Results ===


def read_report(out, model, corpus):
    """What the command `contamination` found."""
    path = report_folder(out, model, corpus) / "contamination.json"
    return json.loads(path.read_bytes())


def count_dirty_in_clean_corpus(out):
    """How many items of all sets the clean corpus holds."""
    report = read_report(out, "clean", "clean")
    return sum(len(found["dirty_examples"]) for found in report.values())


def findings(out, model):
    """The scores of a model on each set and on all items together."""
    report = read_report(out, model, "contaminated")
    flags, scores = [], []
    paths = outcome_files(out, model)
    for name, found in report.items():
        (task,) = find_tasks([str(out / "data" / f"{name}.yaml")])
        examples = {name: task_examples(task, "test", out / "data")}
        scores += read_outcome_scores(paths[name], examples)[1]
        dirty = set(found.pop("dirty_examples"))
        found["num_dirty"] = len(dirty)
        flags += [i in dirty for i in range(found["num_examples"])]
    # None is too short: an item has 15 words or more.
    pooled = Contamination(13, tuple(flags), (False,) * len(flags))
    together = contamination_scores(pooled, scores)
    return {
        "sets": report,
        "together": dataclasses.asdict(together),
        "difference": difference(scores, flags),
    }


def difference(scores, flags):
    """How much better the planted items are answered, with its error."""
    dirty, clean = (
        [s for s, flag in zip(scores, flags, strict=True) if flag == wanted]
        for wanted in (True, False)
    )
    value = sum(dirty) / len(dirty) - sum(clean) / len(clean)
    error = math.hypot(standard_error(dirty), standard_error(clean))
    return {"value": value, "standard_error": error}


def show(report):
    """Prints the scores on all items together."""
    print("\nAccuracy           planted  not planted  difference")
    for model in MODELS:
        found = report["models"][model]
        dirty, clean = (found["together"][p]["value"] for p in PARTS)
        value, error = found["difference"].values()
        print(
            f"  {model:12}      {dirty:6.1%}       {clean:6.1%}  "
            f"{100 * value:+5.1f} ± {100 * error:.1f}"
        )


if __name__ == "__main__":
    main()
