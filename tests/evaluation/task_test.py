import dataclasses

import pytest

from keras_gpt3.evaluation.task_definitions.task import METRICS
from keras_gpt3.evaluation.task_definitions.task import SCORINGS
from keras_gpt3.evaluation.task_definitions.task import Task
from tests.evaluation.small_tasks import choosing


def test_a_task_is_a_value():
    assert choosing() == choosing()
    assert choosing() != choosing(shots=3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        choosing().shots = 3


def test_the_defaults_are_a_plain_few_shot_task():
    defaults = {f.name: f.default for f in dataclasses.fields(Task)}
    assert defaults["delimiter"] == "\n\n"
    assert defaults["instruction"] == ""
    assert defaults["stop"] == ("\n",)


def test_there_are_as_many_rules_as_names():
    for names in (SCORINGS, METRICS):
        assert len(set(names)) == len(names)
