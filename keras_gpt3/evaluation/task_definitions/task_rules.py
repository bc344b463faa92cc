"""What the keys of a task must be, and how they must go together."""

import dataclasses
import difflib
import re

from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.task_definitions.task import METRICS
from keras_gpt3.evaluation.task_definitions.task import SCORINGS
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_examples import KINDS
from keras_gpt3.evaluation.task_definitions.task_examples import OPTIONAL
from keras_gpt3.evaluation.task_definitions.template import template_names

_FIELDS = {field.name: field for field in dataclasses.fields(Task)}
_HUB_KEYS = ("path", "name", "revision", "splits")
_SPLITS = ("train", "test")
_TEMPLATES = (
    "context",
    "target",
    "choices",
    "label",
    "answer_context",
    "contexts",
    "continuation",
    "group",
    "choice_names",
    "turns",
    "passage",
    "cluster",
    "holds",
)

# Scoring -> the keys that it needs, and those that it may have besides. A key
# of another scoring would be without effect, so it is an error.
_CHOICES = ("context", "choices", "label")
_MORE_CHOICES = ("target", "group", "choice_names")
_ANSWERS = ("stop", "max_new_tokens")
_KEYS = {
    "per_token": (_CHOICES, _MORE_CHOICES),
    "likelihood": (_CHOICES, _MORE_CHOICES),
    "answer_context": ((*_CHOICES, "answer_context"), _MORE_CHOICES),
    "partial": (("contexts", "continuation", "label"), ()),
    "greedy": (("context", "target"), ()),
    "generate": (("context", "target"), (*_ANSWERS, "holds")),
    "none": (("context",), ("target", *_ANSWERS)),
}
_SCORED = {key for keys in _KEYS.values() for part in keys for key in part}
# With any scoring.
_REQUIRED = [
    name
    for name, field in _FIELDS.items()
    if field.default is dataclasses.MISSING and name not in _SCORED
]

# Scoring -> the metrics that it can give.
_OF_CHOICES = ("accuracy", "macro_f1", "f1_answers", "squad_exact_match", "f1")
_METRICS = {
    "per_token": _OF_CHOICES,
    "likelihood": _OF_CHOICES,
    "answer_context": _OF_CHOICES,
    "partial": ("accuracy",),
    "greedy": ("accuracy", "perplexity"),
    "generate": ("exact_match", "squad_exact_match", "f1", "bleu", "accuracy"),
    "none": (),
}
# With choices, and with answers in words: metric -> the key that it needs.
_CHOICE_KEYS = {
    "f1_answers": "group",
    "squad_exact_match": "choice_names",
    "f1": "choice_names",
}
_TEXT_KEYS = {"accuracy": "holds"}


class TaskFault(Exception):
    """What is wrong with a task: invariant, what was received, remedy."""

    def __init__(self, invariant, received, remedy, key=None):
        super().__init__(invariant, received, remedy)
        self.key = key


def check_keys(values):
    """Check that a task's keys are those that its scoring uses."""
    for key in values:
        if key not in _FIELDS:
            close = difflib.get_close_matches(str(key), _FIELDS, n=1)
            raise TaskFault(
                "A task must hold known keys only",
                f"the key {echoed(key)}",
                f"Use {close[0]}, the closest" if close else "Remove it",
                key,
            )
    scoring = values.get("scoring")
    if scoring not in SCORINGS:
        raise TaskFault(
            "A task must have a known scoring",
            f"scoring={echoed(scoring)}",
            f"Use one of {', '.join(SCORINGS)}",
            "scoring",
        )
    needed, more = _KEYS[scoring]
    for key in (*_REQUIRED, *needed):
        if values.get(key) is None:
            raise TaskFault(
                f"A task must hold the key {key}",
                "no value for it",
                "Add it to the file",
                key,
            )
    for key in values:
        if key in _SCORED and key not in (*needed, *more):
            raise TaskFault(
                f"A task with the scoring {scoring} must hold no key {key}",
                f"{key}={echoed(values[key])}",
                f"Remove it; what counts is {', '.join(needed)}",
                key,
            )


def check_task(task):
    """Check the values of a task, each of the type that it must have."""
    for check in (_check_values, _check_metrics, _check_hub, _check_templates):
        check(task)


def _check_values(task):
    kinds = (*KINDS, *(OPTIONAL + kind for kind in KINDS))
    rules = [
        (
            "name",
            re.fullmatch(r"[a-z0-9_]+", task.name),
            "a-z, 0-9 and _ alone",
        ),
        ("shots", task.shots >= 0, "at least 0"),
        ("max_new_tokens", task.max_new_tokens >= 1, "at least 1"),
        ("random_accuracy", 0 <= (task.random_accuracy or 0) <= 1, "0 to 1"),
        ("stop", all(task.stop), "without empty texts"),
        (
            "fields",
            task.fields and all(k in kinds for k in task.fields.values()),
            f"field: kind, the kind one of {', '.join(kinds)}",
        ),
    ]
    for key, is_right, rule in rules:
        if not is_right:
            raise TaskFault(
                f"{key} must be {rule}",
                f"{key}={echoed(getattr(task, key))}",
                "Correct it",
                key,
            )


def _check_metrics(task):
    given = _METRICS[task.scoring]
    if bool(task.metrics) != bool(given):
        raise TaskFault(
            "A task must have metrics exactly if it is scored",
            f"metrics={list(task.metrics)}, scoring={echoed(task.scoring)}",
            f"Use some of [{', '.join(given)}]",
            "metrics",
        )
    for metric in task.metrics:
        if metric not in METRICS or metric not in given:
            raise TaskFault(
                f"Metrics with the scoring {task.scoring} must be of "
                f"{', '.join(given)}",
                f"the metric {echoed(metric)}",
                "Change metrics or scoring",
                "metrics",
            )
    _check_metric_keys(task)


def _check_metric_keys(task):
    """Whether what the metrics need is there, and no more."""
    needed, kind = _CHOICE_KEYS, "choices"
    if task.choices is None:
        needed, kind = _TEXT_KEYS, "answers in words"
    is_scored_by_text = task.scoring == "generate" or task.choices is not None
    for metric in task.metrics if is_scored_by_text else ():
        key = needed.get(metric)
        if key and getattr(task, key) is None:
            raise TaskFault(
                f"The metric {metric} of {kind} must have the key {key}",
                "no such key",
                "Add it, or remove the metric",
                "metrics",
            )
    if task.holds is not None and task.metrics != ("accuracy",):
        raise TaskFault(
            "A task with the key holds must have the metric accuracy alone",
            f"metrics={list(task.metrics)}",
            "Change metrics, or remove holds",
            "metrics",
        )


def _check_hub(task):
    if task.hub is None:
        return
    splits = task.hub.get("splits")
    is_known = set(task.hub) <= set(_HUB_KEYS) and task.hub.get("path")
    texts = [task.hub.get(key) or "" for key in _HUB_KEYS[:3]]
    if is_known and isinstance(splits, dict) and "test" in splits:
        texts += splits.values()
        if set(splits) <= set(_SPLITS) and all(
            isinstance(text, str) for text in texts
        ):
            return
    raise TaskFault(
        "hub must hold a path and splits, with a test and perhaps a train, and "
        "perhaps a name and a revision",
        f"hub={task.hub}",
        "Correct it",
        "hub",
    )


def _check_templates(task):
    known = set(task.fields)
    known |= {"turn"} if task.turns is not None else set()
    known |= {"earlier"} if task.passage is not None else set()
    for key in _TEMPLATES:
        template = getattr(task, key)
        if template is None:
            continue
        try:
            unknown = sorted(template_names(template) - known)
        except ValueError as error:
            raise TaskFault(
                f"{key} must be a Jinja template",
                str(error),
                "Correct it",
                key,
            ) from error
        if unknown:
            raise TaskFault(
                f"{key} must use known fields only",
                f"the field {echoed(unknown[0])}",
                f"Use one of {', '.join(sorted(known))}, or add it to fields",
                key,
            )
