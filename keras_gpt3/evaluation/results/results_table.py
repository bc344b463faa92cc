"""Results as a table, with what guessing gets and what the paper has."""

import dataclasses
import functools
import importlib.resources
import math
import pathlib
import re

from keras_gpt3.needed_packages import needed_packages
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets
from keras_gpt3.reporting.report import markdown_table

COLUMNS = (
    "Task",
    "Model",
    "K",
    "Seed",
    "Metric",
    "Value ± standard error",
    "95% interval",
    "Examples",
    "Guessing",
    "Paper, 175B",
    "Test server, 175B",
    "Fine-tuned SOTA",
)


def results_table(results, tasks=()):
    """Write results as a table in Markdown."""
    return markdown_table(COLUMNS, table_rows(results, tasks))


def table_rows(results, tasks=()):
    """Make the cells of the table."""
    results = list(results)
    known = {task.name: task for task in tasks}
    order = list(dict.fromkeys((r.task, r.metric) for r in results))
    models = list(dict.fromkeys(r.model for r in results))
    results.sort(
        key=lambda r: (
            order.index((r.task, r.metric)),
            models.index(r.model),
            r.shots,
            r.seed,
        )
    )
    labels = model_labels(models)
    return [_row(r, known.get(r.task), labels[r.model]) for r in results]


def _row(result, task, model):
    metric = result.metric
    low, high = (_number(metric, bound) for bound in result.interval)
    value = _number(metric, result.value)
    chance = task.random_accuracy if task else None
    known = chance is not None and metric == "accuracy"
    return (
        _name(result.task, task),
        model,
        _shots(result),
        str(result.seed),
        metric_title(metric),
        f"{value} ± {_number(metric, result.standard_error)}",
        f"{low} to {high}",
        f"{result.num_examples:,}",
        _number(metric, chance) if known else "",
        _paper(result),
        _paper_test_server(result),
        _paper_fine_tuned(result),
    )


def _name(name, task):
    """The task's title; its name before that, where it does not say it."""
    if task is None:
        return name
    plain, title = (
        re.sub(r"[\W_]", "", text.lower()) for text in (name, task.title)
    )
    return task.title if plain in title else f"{name} ({task.title})"


def _shots(result):
    """K, with how many fitted where that were fewer, and shared draws."""
    notes = []
    if result.mean_shots < result.shots:
        notes.append(f"{result.mean_shots:.1f} fitted")
    if result.draws is not None:
        plural = "" if result.draws == 1 else "s"
        notes.append(f"{result.draws} shared draw{plural}")
    return (
        f"{result.shots} ({', '.join(notes)})" if notes else f"{result.shots}"
    )


def _paper(result):
    """What 175B has in the same setting, and its K where that is another."""
    values = published_values(result.task, result.metric)
    if values is None:
        return ""
    value = values.of_shots(result.shots)[-1]
    if math.isnan(value):  # The paper has no such setting.
        return ""
    shown = _number(result.metric, value)
    if result.shots > 1 and values.shots != result.shots:
        shown += f" (K = {values.shots})"
    return shown


def _paper_test_server(result):
    """What 175B has few-shot where a server judges hidden answers."""
    values = published_values(result.task, result.metric)
    if values is None or values.test_server is None or result.shots < 2:
        return ""
    return _number(result.metric, values.test_server)


def _paper_fine_tuned(result):
    """The best fine-tuned model of its time, in any setting of ours."""
    values = published_values(result.task, result.metric)
    if values is None or values.fine_tuned is None:
        return ""
    return _number(result.metric, values.fine_tuned)


def _number(metric, value):
    """Three digits, as the paper prints."""
    return f"{shown_value(metric, value):.3g}"


# These parts of a path distinguish models: such as run7/model.
_NUM_PARTS = 2


def model_labels(models):
    """Shorten names of models that are long paths to their last two parts."""
    labels = {model: _label(model) for model in models}
    shown = list(labels.values())
    return {
        model: label if shown.count(label) == 1 else model
        for model, label in labels.items()
    }


def _label(model):
    parts = pathlib.PurePath(model).parts
    if "://" in model or len(parts) <= _NUM_PARTS:
        return model
    return "/".join(parts[-_NUM_PARTS:])


# A metric -> how it is titled, and what the paper calls it, the most exact name
# first. Its "acc" is accuracy and, of generated answers, exact match.
_METRICS = {
    "accuracy": ("Accuracy", "acc"),
    "exact_match": ("Exact match", "em", "acc"),
    "squad_exact_match": ("Exact match", "em", "acc"),
    "f1": ("F1", "f1"),
    "drop_f1": ("F1", "f1"),
    "drop_exact_match": ("Exact match", "em"),
    "coqa_f1": ("F1", "f1"),
    "coqa_exact_match": ("Exact match", "em"),
    "quac_f1": ("F1", "f1"),
    "macro_f1": ("Macro F1", "f1"),
    "f1_answers": ("F1 over answers", "f1a"),
    "bleu": ("SacreBLEU", "BLEU-sb"),
    "multi_bleu": ("Multi-BLEU", "BLEU-mb"),
    "perplexity": ("Perplexity", "ppl"),
    "word_perplexity": ("Perplexity of words", "word ppl"),
    "average": ("Average", "average"),
}
_NOT_A_SHARE = ("bleu", "multi_bleu", "perplexity", "word_perplexity")
# All others are printed in percent.
_AS_PRINTED = {"BLEU-sb", "BLEU-mb", "ppl", "word ppl"}


def metric_title(metric):
    """Name a metric with its unit."""
    title = _METRICS.get(metric, (metric,))[0]
    return title if metric in _NOT_A_SHARE else f"{title} (%)"


def shown_value(metric, value):
    """Convert a value to the unit in which it is shown, the paper's."""
    return value if metric in _NOT_A_SHARE else 100 * value


@dataclasses.dataclass(frozen=True)
class PublishedValues:
    """A row of Table H.1 or 3.1, in the units of `TaskResult`.

    `benchmark` is the task that the row is printed for, `task` that or one of
    its other forms.
    """

    task: str
    benchmark: str
    metric: str
    split: str
    source: str
    zero_shot: tuple
    one_shot: tuple
    few_shot: tuple
    shots: int
    fine_tuned: float | None = None
    test_server: float | None = None

    def of_shots(self, shots):
        """Pick the setting that a number of demonstrations belongs to."""
        return (self.zero_shot, self.one_shot, self.few_shot)[min(shots, 2)]

    def curve(self, size):
        """One size over the number of demonstrations."""
        return (
            (0, self.zero_shot[size]),
            (1, self.one_shot[size]),
            (self.shots, self.few_shot[size]),
        )


def published_values(task, metric):
    """Find what the paper prints for a task."""
    for printed in _METRICS.get(metric, ())[1:]:
        if (task, printed) in published_table():
            return published_table()[task, printed]
    return None


@functools.cache
def published_table():
    """Read all rows."""
    need = "The paper's values must be read with PyYAML"
    with needed_packages(need, "evaluate"):
        import yaml
    folder = importlib.resources.files("keras_gpt3.evaluation") / "published"
    table = {}
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        for fields in yaml.safe_load(file.read_text("utf-8")):
            # Tasks that ask the same in another form are compared with it.
            for task in (fields["task"], *fields.pop("variants", ())):
                names = {"task": task, "benchmark": fields["task"]}
                row = _published_row(fields | names)
                table[task, row.metric] = row
    return table


def paper_sizes():
    """The eight sizes that the values are of."""
    return {
        name: load_shipped_preset(name)["table_d1"]["parameters_millions"]
        * 10**6
        for name in shipped_presets()
    }


def _published_row(fields):
    """A row in which 1.0 is all right, if it is printed in percent."""
    scale = 1 if fields["metric"] in _AS_PRINTED else 100

    def scaled(value):
        if isinstance(value, list):
            return tuple(map(scaled, value))
        return value / scale if isinstance(value, float) else value

    return PublishedValues(**{k: scaled(v) for k, v in fields.items()})
