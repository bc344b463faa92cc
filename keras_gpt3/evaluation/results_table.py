"""Results as a table, with what guessing gets and what the paper has."""

import re

from keras_gpt3.evaluation.metric_display import metric_title
from keras_gpt3.evaluation.metric_display import shown_value
from keras_gpt3.evaluation.model_labels import model_labels
from keras_gpt3.evaluation.published_values import published_values
from keras_gpt3.evaluation.report_section import markdown_table

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
)


def results_table(results, tasks=()):
    """Writes results as a table in Markdown."""
    return markdown_table(COLUMNS, table_rows(results, tasks))


def table_rows(results, tasks=()):
    """Makes the cells of the table."""
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
    told = []
    if result.mean_shots < result.shots:
        told.append(f"{result.mean_shots:.1f} fitted")
    if result.draws is not None:
        plural = "" if result.draws == 1 else "s"
        told.append(f"{result.draws} shared draw{plural}")
    return f"{result.shots} ({', '.join(told)})" if told else f"{result.shots}"


def _paper(result):
    """What 175B has in the same setting, and its K where that is another."""
    values = published_values(result.task, result.metric)
    if values is None:
        return ""
    shown = _number(result.metric, values.of_shots(result.shots)[-1])
    if result.shots > 1 and values.shots != result.shots:
        shown += f" (K = {values.shots})"
    return shown


def _number(metric, value):
    """Three digits, as the paper prints."""
    return f"{shown_value(metric, value):.3g}"
