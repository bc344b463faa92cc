import dataclasses

import pytest

from keras_gpt3.evaluation.metrics.text_score import REFERENCE_METRICS
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_rules import TaskFault
from keras_gpt3.evaluation.task_definitions.task_rules import check_keys
from keras_gpt3.evaluation.task_definitions.task_rules import check_task

BOTH = {
    "name": "sums",
    "title": "Sums",
    "fields": {"question": "string", "answer": "string"},
    "metrics": ("accuracy",),
    "shots": 4,
}
GENERATE = BOTH | {
    "context": "{{ question }} =",
    "target": " {{ answer }}",
    "scoring": "generate",
    "metrics": ("exact_match",),
}
CHOICES = BOTH | {
    "context": "{{ question }} =",
    "choices": "{{ ['a', answer] }}",
    "label": "{{ 1 }}",
    "scoring": "per_token",
}
PARTIAL = BOTH | {
    "contexts": "{{ [question, answer] }}",
    "continuation": " is",
    "label": "{{ 1 }}",
    "scoring": "partial",
}


def fault(check, *arguments):
    """The invariant of what is wrong, and what was received."""
    with pytest.raises(TaskFault) as caught:
        check(*arguments)
    invariant, received, remedy = caught.value.args
    assert remedy
    assert isinstance(caught.value.key, str)
    return invariant, received


@pytest.mark.parametrize(
    "values",
    [
        GENERATE,
        CHOICES,
        CHOICES | {"scoring": "likelihood", "target": "a"},
        CHOICES | {"scoring": "answer_context", "answer_context": "A:"},
        PARTIAL,
        GENERATE | {"scoring": "greedy"},
        GENERATE | {"scoring": "none"},
    ],
)
def test_each_scoring_has_its_keys(values):
    check_keys(values)


@pytest.mark.parametrize(
    ("values", "key"),
    [
        (GENERATE, "context"),
        (GENERATE, "target"),
        (CHOICES, "choices"),
        (CHOICES, "label"),
        (CHOICES | {"scoring": "answer_context"}, "answer_context"),
        (PARTIAL, "contexts"),
        (PARTIAL, "continuation"),
    ],
)
def test_a_missing_key_is_named(values, key):
    without = {name: values[name] for name in values if name != key}
    expected = (f"A task must hold the key {key}", "no value for it")
    assert fault(check_keys, without) == expected
    assert fault(check_keys, values | {key: None}) == expected


@pytest.mark.parametrize(
    ("values", "invariant", "received"),
    [
        (
            GENERATE | {"choices": "a"},
            "A task with the scoring generate must hold no key choices",
            "choices='a'",
        ),
        (
            CHOICES | {"stop": ["a"]},
            "A task with the scoring per_token must hold no key stop",
            "stop=['a']",
        ),
        (
            PARTIAL | {"context": "a"},
            "A task with the scoring partial must hold no key context",
            "context='a'",
        ),
    ],
)
def test_a_key_without_effect_is_named(values, invariant, received):
    assert fault(check_keys, values) == (invariant, received)


def fault_of(values, **changes):
    task = Task(**{"context": "", "target": ""} | values)
    return fault(check_task, dataclasses.replace(task, **changes))


@pytest.mark.parametrize(
    ("changes", "invariant", "received"),
    [
        ({"context": "{{ a"}, "context must be a Jinja template", "unexpected"),
        ({"target": "{{ x }}"}, "target must use known fields only", "'x'"),
        ({"context": "{{ turn }}"}, "context must use known", "'turn'"),
        ({"turns": "{{ turns }}"}, "turns must use known", "'turns'"),
        ({"metrics": ()}, "A task must have metrics exactly if", "metrics=[]"),
        ({"metrics": ("acc",)}, "Metrics with the scoring generate", "'acc'"),
        ({"metrics": ("f1", "macro_f1")}, "Metrics with the", "'macro_f1'"),
        ({"metrics": ("accuracy",)}, "The metric accuracy of answers in", "no"),
        ({"holds": "{{ true }}"}, "A task with the key holds must", "metrics="),
        ({"scoring": "none"}, "A task must have metrics exactly if", "'none'"),
    ],
)
def test_a_value_that_does_not_fit_is_named(changes, invariant, received):
    found = fault_of(GENERATE, **changes)
    assert found[0].startswith(invariant)
    assert received in found[1]


@pytest.mark.parametrize(
    ("metric", "key"),
    [
        ("squad_exact_match", "choice_names"),
        ("f1_answers", "group"),
        ("f1", "choice_names"),
    ],
)
def test_metrics_of_choices_need_their_key(metric, key):
    invariant, _ = fault_of(CHOICES, metrics=(metric,))
    assert (
        invariant == f"The metric {metric} of choices must have the key {key}"
    )
    values = {"context": "", "target": "", "metrics": (metric,)}
    check_task(Task(**CHOICES | values | {key: "{{ answer }}"}))


def test_accuracy_of_texts_asks_whether_they_hold():
    values = {"holds": "{{ answer }}", "metrics": ("accuracy",)}
    check_keys(GENERATE | values)
    check_task(Task(**GENERATE | values))


def test_a_language_is_that_of_multi_bleu():
    invariant, _ = fault_of(GENERATE, language="fr")
    assert invariant == (
        "A task with the key language must have the metric multi_bleu"
    )


@pytest.mark.parametrize("sampling", [None, {"temperature": 0.0}])
def test_several_samples_are_drawn(sampling):
    values = GENERATE | {"scoring": "none", "metrics": (), "samples": 2}
    check_task(Task(**values, sampling={"top_p": 0.9}))
    invariant, _ = fault_of(values, sampling=sampling)
    assert invariant == "A task with several samples must draw them"


@pytest.mark.parametrize("metric", REFERENCE_METRICS)
def test_metrics_of_several_people_may_have_references(metric):
    values = {"references": "{{ [answer] }}", "metrics": (metric, "f1")}
    check_keys(GENERATE | values)
    check_task(Task(**GENERATE | values))
    check_task(Task(**GENERATE | {"metrics": (metric,)}))
    invariant, received = fault_of(GENERATE, references="{{ [answer] }}")
    assert invariant.startswith("A task with the key references must have a ")
    assert received == "metrics=['exact_match']"


def test_partial_evaluation_gives_accuracy_alone():
    invariant, _ = fault_of(PARTIAL, metrics=("f1",))
    assert invariant == "Metrics with the scoring partial must be of accuracy"


@pytest.mark.parametrize(
    ("key", "name"), [("turns", "turn"), ("passage", "earlier")]
)
def test_what_is_added_to_records_may_be_asked_for(key, name):
    values = {"context": f"{{{{ {name} }}}}", key: "{{ answer }}"}
    check_task(Task(**GENERATE | values))
