"""What the keys of a task must be, and how they must go together."""

import dataclasses
import re
import typing

from keras_gpt3.argument_checks import echoed
from keras_gpt3.needed_packages import needed_packages

with needed_packages("A task must be checked by pydantic", "evaluate"):
    import pydantic

from keras_gpt3.config_model import Float
from keras_gpt3.config_model import NonNegativeInt
from keras_gpt3.config_model import Share
from keras_gpt3.config_model import Str
from keras_gpt3.config_model import config_section
from keras_gpt3.config_model import make_config
from keras_gpt3.evaluation.metrics.text_score import REFERENCE_METRICS
from keras_gpt3.evaluation.task_definitions.task import SCORINGS
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_records import KINDS
from keras_gpt3.evaluation.task_definitions.task_records import OPTIONAL
from keras_gpt3.evaluation.task_definitions.template import template_names

# === Keys ===


def _check_name(name):
    if not re.fullmatch(r"[a-z0-9_]+", name):
        raise ValueError("must be a-z, 0-9 and _ alone", "Correct it.")
    return name


def _as_written(value, check):
    """Check a section, and keep the dict."""
    check(value)
    return value


_Item = typing.TypeVar("_Item")
_Tuple = typing.Annotated[
    list[_Item], pydantic.Strict(), pydantic.AfterValidator(tuple)
]
_Text = typing.Annotated[Str, pydantic.Field(min_length=1)]
_Kind = typing.Literal[*KINDS, *(OPTIONAL + kind for kind in KINDS)]


@config_section
class _Splits:
    """What the hub calls the splits of a dataset."""

    test: Str
    train: Str = ""
    dev: Str = ""


@config_section
class _Hub:
    """Where a dataset is on the hub."""

    path: _Text
    splits: _Splits
    name: Str | None = None
    revision: Str | None = None


@config_section
class _Sampling:
    """How texts are drawn."""

    temperature: typing.Annotated[Float, pydantic.Field(ge=0)] = 1.0
    top_p: Share = 1.0
    top_k: NonNegativeInt = 0


@config_section
class _TaskKeys(Task):
    """The keys of a task, those that must be more than of their type.

    What the scoring does not use may be left out.
    """

    name: typing.Annotated[Str, pydantic.AfterValidator(_check_name)]
    fields: typing.Annotated[dict[Str, _Kind], pydantic.Field(min_length=1)]
    # Made, so that no error advises to leave them out for a default.
    context: Str = dataclasses.field(default_factory=str, kw_only=True)
    target: Str = dataclasses.field(default_factory=str, kw_only=True)
    scoring: typing.Literal[SCORINGS]
    metrics: _Tuple[Str]
    shots: typing.Annotated[pydantic.StrictInt, pydantic.Field(ge=0)]
    stop: _Tuple[_Text]
    max_new_tokens: typing.Annotated[pydantic.StrictInt, pydantic.Field(ge=1)]
    sampling: typing.Annotated[
        _Sampling | None, pydantic.WrapValidator(_as_written)
    ]
    samples: typing.Annotated[pydantic.StrictInt, pydantic.Field(ge=1)]
    hub: typing.Annotated[_Hub | None, pydantic.WrapValidator(_as_written)]
    groups: _Tuple[Str]
    random_accuracy: Share | None


def checked_task(values, where):
    """Make a task of a file's keys and values, checked."""
    task = Task(**vars(make_config(_TaskKeys, values, "task", where)))
    check_keys(values)
    check_task(task)
    return task


# === How they must go together ===

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
    "references",
    "words",
)

# Scoring -> the keys that it needs, and those that it may have besides. A key
# of another scoring would be without effect, so it is an error.
_CHOICES = ("context", "choices", "label")
_MORE_CHOICES = ("target", "group", "choice_names")
_ANSWERS = ("stop", "max_new_tokens")
_MORE_ANSWERS = (*_ANSWERS, "holds", "language", "references")
_KEYS = {
    "per_token": (_CHOICES, _MORE_CHOICES),
    "likelihood": (_CHOICES, _MORE_CHOICES),
    "answer_context": ((*_CHOICES, "answer_context"), _MORE_CHOICES),
    "partial": (("contexts", "continuation", "label"), ()),
    "greedy": (("context", "target"), ()),
    "rolling": (("target", "words"), ()),
    "generate": (("context", "target"), _MORE_ANSWERS),
    "none": (("context",), ("target", *_ANSWERS, "sampling", "samples")),
}
_SCORED = {key for keys in _KEYS.values() for part in keys for key in part}

# Scoring -> the metrics that it can give.
_OF_CHOICES = ("accuracy", "macro_f1", "f1_answers", "squad_exact_match", "f1")
_METRICS = {
    "per_token": _OF_CHOICES,
    "likelihood": _OF_CHOICES,
    "answer_context": _OF_CHOICES,
    "partial": ("accuracy",),
    "greedy": ("accuracy", "perplexity"),
    "rolling": ("word_perplexity",),
    "generate": (
        "exact_match",
        "squad_exact_match",
        "f1",
        *REFERENCE_METRICS,
        "bleu",
        "multi_bleu",
        "accuracy",
    ),
    "none": (),
}
# With choices, and with answers in words: metric -> the key that it needs.
_CHOICE_KEYS = {
    "f1_answers": "group",
    "squad_exact_match": "choice_names",
    "f1": "choice_names",
}
_TEXT_KEYS = {"accuracy": "holds", "multi_bleu": "language"}


class TaskFault(Exception):
    """What is wrong with a task: invariant, what was received, remedy."""

    def __init__(self, invariant, received, remedy, key=None):
        super().__init__(invariant, received, remedy)
        self.key = key


def check_keys(values):
    """Check that a task has the keys that its scoring uses, and no others."""
    scoring = values["scoring"]
    needed, more = _KEYS[scoring]
    for key in needed:
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
    """Check that the metrics and templates of a task fit its other keys."""
    _check_metrics(task)
    _check_templates(task)
    if task.scoring == "rolling" and task.shots:
        raise TaskFault(
            "A task with the scoring rolling must have no demonstrations",
            f"shots={task.shots}",
            "Set shots to 0",
            "shots",
        )
    if task.samples > 1 and not is_drawn(task):
        raise TaskFault(
            "A task with several samples must draw them",
            f"samples={task.samples}, sampling={task.sampling}",
            "Add sampling with a temperature above 0, or remove samples",
            "samples",
        )
    if task.text_file is not None and task.fields != {"text": "string"}:
        raise TaskFault(
            "A task with a text file must have the field text alone, a string",
            f"fields={task.fields}",
            "Change fields, or remove text_file",
            "text_file",
        )


def is_drawn(task):
    """Whether a task's texts differ with the seed."""
    settings = task.sampling
    return settings is not None and settings.get("temperature", 1.0) > 0


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
        if metric not in given:
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
    if task.language is not None and "multi_bleu" not in task.metrics:
        raise TaskFault(
            "A task with the key language must have the metric multi_bleu",
            f"metrics={list(task.metrics)}",
            "Add it, or remove language",
            "metrics",
        )
    are_used = not set(task.metrics).isdisjoint(REFERENCE_METRICS)
    if task.references is not None and not are_used:
        raise TaskFault(
            "A task with the key references must have a metric of "
            f"{', '.join(REFERENCE_METRICS)}",
            f"metrics={list(task.metrics)}",
            "Add one, or remove references",
            "metrics",
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
