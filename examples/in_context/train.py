"""Trains four sizes on tasks in context: Figures 1.2 and 3.10 in miniature.

    python examples/in_context/train.py

The README beside this file has the time it takes and what came out. A size
whose results are there is skipped: rerunning the command resumes after the last
size that was done. `--quick` shows in minutes that all of it runs, with models
that have learned nothing.
"""

import argparse
import dataclasses
import json
import os
import pathlib
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
from measure import SHOTS
from measure import UNDESCRIBED
from measure import contamination
from measure import evaluate_size
from measure import task_of
from measure import tested_facts
from measure import write_documents
from mixture import BATCH
from mixture import Texts
from sizes import SIZES
from sizes import make_model
from sizes import train
from task_families import FAMILIES

from keras_gpt3.atomic_write import write_json
from keras_gpt3.evaluation.contamination.contamination_report import (
    write_contamination_report,
)
from keras_gpt3.evaluation.results.plots import plot_shots
from keras_gpt3.evaluation.results.results_file import read_results
from keras_gpt3.evaluation.results.size_plots import plot_tasks
from keras_gpt3.reporting.report import markdown_table

# On CPUs that multiply in bfloat16 it is faster than float32.
DTYPE = "mixed_bfloat16"
BEST = "Bayes-optimal"
ARITHMETIC = ("one_digit_sum", "two_digit_sum")


def main():
    """Runs the whole example."""
    arguments = parse_arguments()
    out = arguments.out
    settings = {"steps": arguments.steps, "draws": arguments.draws}
    check_settings(settings, out)
    texts = Texts()
    checked = check_documents(texts, settings, out)
    results = []
    for size in SIZES:
        results += size_results(size, settings, texts, out / size.name)
        # After each size: a run that is stopped leaves what it has.
        write_results(results, out / "results.json")
        write_tables(results, checked, out / "results.md")
        draw(results, out)
    print(f"\nWritten to {out}")


def parse_arguments():
    """The options."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--out", type=pathlib.Path)
    parser.add_argument("--steps", type=at_least(1))
    parser.add_argument("--draws", type=at_least(2), help="of held-out tasks")
    arguments = parser.parse_args()
    quick = arguments.quick
    name = "runs/in_context_quick" if quick else "runs/in_context"
    arguments.out = arguments.out or pathlib.Path(name)
    arguments.steps = arguments.steps or (20 if quick else 2000)
    arguments.draws = arguments.draws or (2 if quick else 32)
    return arguments


def at_least(least):
    """The type of an option: errors over draws, for one, need two of them."""

    def number(text):
        value = int(text)
        if value < least:
            raise argparse.ArgumentTypeError(f"{value} is less than {least}")
        return value

    return number


def check_settings(settings, out):
    """Ends the program where a folder holds a run with others."""
    path = out / "settings.json"
    if not path.exists():
        write_json(path, settings)
        return
    found = json.loads(path.read_text("utf-8"))
    if found != settings:
        sys.exit(
            "A run must be resumed with its own settings. Received: "
            f"{settings}, where '{out}' has {found}. Pass another --out."
        )


def check_documents(texts, settings, out):
    """Ends the program where training would see a test; returns a sentence."""
    path, count = out / "documents.jsonl", settings["steps"] * BATCH
    write_documents(texts, path, count)
    found = contamination(tested_facts(settings["draws"]), path)
    report = {name: (one, None) for name, one in found.items()}
    write_contamination_report(report, out / "contamination")
    dirty = sum(one.num_dirty for one in found.values())
    if dirty:
        sys.exit(
            "No test may be in the training documents. Received: "
            f"{dirty} dirty tests. See '{out}/contamination'."
        )
    clean = sum(one.num_clean for one in found.values())
    sentence = (
        f"Of {clean:,} rules, words and sums that are asked, {dirty} are in "
        f"the {count:,} documents that each model is trained on."
    )
    print(sentence)
    return sentence


def size_results(size, settings, texts, folder):
    """Trains and evaluates a size, unless that was done."""
    path = folder / "results.json"
    if path.exists():
        print(f"\n{size.name} is there: {path}")
        return read_results(path)
    started = time.time()
    keras.utils.set_random_seed(1)
    model = make_model(size, DTYPE)
    name = f"{size.name}, {model.count_params():,} parameters"
    print(f"\n=== {name}", flush=True)
    train(model, size, settings["steps"], texts)
    trained = time.time()
    model.save_to_preset(folder / "preset")
    results = evaluate_size(model, name, settings["draws"])
    times = (trained - started) / 60, (time.time() - trained) / 60
    print("Minutes to train and to evaluate: {:.1f} and {:.1f}".format(*times))
    write_results(results, path)
    return results


# === What is written ===


def write_results(results, path):
    """Writes results as `keras-gpt3 evaluate` does."""
    write_json(path, [dataclasses.asdict(result) for result in results])


def write_tables(results, checked, path):
    """Writes a table for each family: sizes, and K."""
    parts = ["# Accuracy at held-out tasks (% ± standard error)", checked]
    for family in FAMILIES:
        rows = []
        for described in (True, False):
            task = task_of(family, described).name
            for model in dict.fromkeys(r.model for r in results):
                values = {
                    r.shots: f"{100 * r.value:.1f} ± "
                    f"{100 * r.standard_error:.1f}"
                    for r in results
                    if (r.task, r.model) == (task, model)
                }
                cells = [values[shots] for shots in SHOTS]
                rows.append((model, "yes" if described else "no", *cells))
        columns = ("Model", "Description", *(f"K = {k}" for k in SHOTS))
        table = markdown_table(columns, rows).strip()
        parts += [f"## {family.title}", table]
    path.write_text("\n\n".join(parts) + "\n", "utf-8")


def best_results(results):
    """The Bayes-optimal accuracy, where it is simple, as results."""
    best, families = {}, {family.name: family for family in FAMILIES}
    for result in results:
        family = families.get(result.task)
        if getattr(family, "num_letters", None) == 1:
            value = family.best(result.shots)
            known = {"value": value, "interval": (value, value), "model": BEST}
            key = (result.task, result.shots)
            best[key] = dataclasses.replace(result, **known)
    return list(best.values())


def draw(results, out):
    """Draws accuracy over K, and of sums over size."""
    tasks = [task_of(family) for family in FAMILIES]
    undescribed = {f"{task.name}{UNDESCRIBED}": task.name for task in tasks}
    # The last line is the thinnest, and on top.
    shown = results + best_results(results)
    plot_shots(shown, tasks, out / "figure_1_2.png", undescribed)
    sums = [
        r for r in results if r.task in ARITHMETIC and r.shots == max(SHOTS)
    ]
    plot_tasks(sums, tasks, out / "figure_3_10.png")


if __name__ == "__main__":
    main()
