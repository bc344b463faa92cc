import dataclasses
import re

import pytest

from keras_gpt3.evaluation.task_definitions.arithmetic import ARITHMETIC_TASKS
from keras_gpt3.evaluation.task_definitions.task import METRICS
from keras_gpt3.evaluation.task_definitions.task import SCORINGS
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_file import find_tasks
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from keras_gpt3.evaluation.task_definitions.task_file import task_groups
from keras_gpt3.evaluation.task_definitions.template import template_names
from keras_gpt3.evaluation.task_definitions.word_scrambling import (
    SCRAMBLING_TASKS,
)
from tests.evaluation.small_tasks import choosing

# === Task ===


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


# === Task table ===


TASKS = shipped_tasks()

# Table H.1: K, and a metric that it has for the task: the first, or that which
# the text of the paper gives.
TABLE_H1 = {
    "hellaswag": (20, "accuracy"),
    "lambada_cloze": (15, "accuracy"),
    "storycloze": (70, "accuracy"),
    "natural_questions": (64, "squad_exact_match"),
    "triviaqa": (64, "squad_exact_match"),
    "web_questions": (64, "squad_exact_match"),
    "wmt16_ro_en": (64, "bleu"),
    "wmt16_en_ro": (64, "bleu"),
    "wmt14_fr_en": (64, "bleu"),
    "wmt14_en_fr": (64, "bleu"),
    "wmt16_de_en": (64, "bleu"),
    "wmt16_en_de": (64, "bleu"),
    "winograd": (7, "accuracy"),
    "winogrande": (50, "accuracy"),
    "piqa": (50, "accuracy"),
    "arc_challenge": (50, "accuracy"),
    "arc_easy": (50, "accuracy"),
    "openbookqa": (100, "accuracy"),
    "quac": (5, "quac_f1"),
    "race_h": (10, "accuracy"),
    "race_m": (10, "accuracy"),
    "squadv2": (16, "f1"),
    "coqa": (5, "coqa_f1"),
    "drop": (20, "drop_f1"),
    "boolq": (32, "accuracy"),
    "cb": (32, "accuracy"),
    "copa": (32, "accuracy"),
    "rte": (32, "accuracy"),
    "wic": (32, "accuracy"),
    "wsc": (32, "accuracy"),
    "multirc": (32, "accuracy"),
    "record": (32, "accuracy"),
    "anli_r1": (50, "accuracy"),
    "anli_r2": (50, "accuracy"),
    "anli_r3": (50, "accuracy"),
    **{name: (50, "exact_match") for name in ARITHMETIC_TASKS},
    **{name: (100, "exact_match") for name in SCRAMBLING_TASKS},
    "sat_analogies": (20, "accuracy"),
}
NOT_IN_THE_TABLE = {
    "lambada",
    "penn_treebank",
    "news_articles",
    "novel_words",
    "poems",
    "grammar_correction",
    *(name for name in TASKS if name.endswith("_zero_shot")),
}


def test_every_task_of_the_paper_is_there():
    assert set(TASKS) == set(TABLE_H1) | NOT_IN_THE_TABLE
    assert len(NOT_IN_THE_TABLE) == 12


@pytest.mark.parametrize("name", TABLE_H1)
def test_shots_and_metric_are_those_of_table_h1(name):
    task = TASKS[name]
    assert (task.shots, task.metrics[0]) == TABLE_H1[name]


def test_forms_of_zero_shot_alone_have_no_demonstrations():
    shots = {n: TASKS[n].shots for n in TASKS if n.endswith("_zero_shot")}
    assert set(shots.values()) == {0}
    assert TASKS["lambada"].shots == 0


def test_answers_are_scored_as_in_section_2_4():
    by_scoring = {
        scoring: {n for n in TASKS if TASKS[n].scoring == scoring}
        for scoring in ("answer_context", "partial", "greedy", "none")
    }
    assert by_scoring == {
        "answer_context": {
            "arc_challenge",
            "arc_easy",
            "openbookqa",
            "race_h",
            "race_m",
        },
        "partial": {"winograd", "winogrande"},
        "greedy": {"lambada", "lambada_cloze"},
        "none": set(task_groups()["generation"]),
    }


@pytest.mark.parametrize("name", TASKS)
def test_a_task_uses_the_fields_that_it_asks_for(name):
    task = TASKS[name]
    texts = [t for t in vars(task).values() if isinstance(t, str)]
    used = set().union(*map(template_names, texts))
    assert set(task.fields) <= used
    assert re.search(r"Section|caption|Appendix", task.paper)
    assert task.title


@pytest.mark.parametrize("name", TASKS)
def test_a_task_is_generated_or_of_the_hub_or_local(name):
    task = TASKS[name]
    local = {"sat_analogies", "penn_treebank", *task_groups()["generation"]}
    assert (task.hub is None) == (task.generator is not None or name in local)
    if task.hub and task.shots:
        assert set(task.hub["splits"]) - {"dev"} == {"train", "test"}
    # What is asked is no second set.
    splits = task.hub["splits"] if task.hub else {}
    assert splits.get("dev") != splits.get("test", 0)


def test_generated_tasks_keep_the_published_format():
    for name in task_groups()["synthetic"]:
        assert TASKS[name].delimiter == ""
    for name in SCRAMBLING_TASKS:
        assert TASKS[name].instruction == (
            "Please unscramble the letters into a word, and write that word:"
        )


@pytest.mark.parametrize("name", TASKS)
def test_what_differs_from_the_paper_is_said_in_sentences(name):
    note = TASKS[name].note
    assert "\n" not in note
    assert not note or (note[0].isupper() and note.endswith("."))


def test_shared_passages_are_clusters():
    shared = {n for n in TASKS if TASKS[n].cluster or TASKS[n].passage}
    shared |= {n for n in TASKS if TASKS[n].turns}
    reading = set(task_groups()["reading_comprehension"])
    superglue = {"boolq", "multirc", "record", "rte", "wsc"}
    assert shared == reading | superglue | set(task_groups()["anli"])


def test_groups_hold_the_tasks_of_their_name():
    groups = task_groups()
    assert groups["all"] == tuple(TASKS)
    assert set(groups["arithmetic"]) == set(ARITHMETIC_TASKS)
    assert set(groups["scramble"]) == set(SCRAMBLING_TASKS)
    assert len(groups["superglue"]) == 8
    assert groups["race"] == ("race_h", "race_m")


def test_no_group_hides_behind_a_task():
    assert not set(task_groups()) & set(TASKS)


@pytest.mark.parametrize(
    "names", ["piqa, anli,anli_r2", ["piqa", "anli", "anli_r2"]]
)
def test_tasks_are_found_once_in_order(names):
    found = [task.name for task in find_tasks(names)]
    assert found == ["piqa", "anli_r1", "anli_r2", "anli_r3"]


MINE = """
name: {name}
title: Mine
paper: ""
fields: {{a: string}}
context: "{{{{ a }}}}"
scoring: none
metrics: []
shots: 0
"""


def test_a_file_of_one_s_own_is_found(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.format(name="mine"))
    assert [t.name for t in find_tasks([str(path), "piqa"])] == ["mine", "piqa"]


def test_two_tasks_of_one_name_are_an_error(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.format(name="piqa"))
    with pytest.raises(ValueError, match="which has a second 'piqa'"):
        find_tasks(["piqa", str(path)])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="mine.yaml"):
        find_tasks([str(tmp_path / "mine.yaml")])


@pytest.mark.parametrize(
    ("name", "remedy"),
    [
        ("arithmeti", "The closest are arithmetic."),
        ("arc_esy", "The closest are arc_easy"),
        ("q", "Use one of the groups all, "),
    ],
)
def test_an_unknown_name_offers_the_closest(name, remedy):
    message = re.escape(f"Received: '{name}'. {remedy}")
    with pytest.raises(ValueError, match=f"shipped name or group.*{message}"):
        find_tasks([name])


def test_no_name_at_all_is_an_error():
    with pytest.raises(ValueError, match="There must be at least one task"):
        find_tasks([])


def test_the_table_may_be_changed_freely():
    shipped_tasks().clear()
    assert shipped_tasks() == TASKS
