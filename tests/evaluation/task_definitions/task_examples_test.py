import dataclasses
import pathlib
import re

import pytest

from keras_gpt3.evaluation.few_shot.demonstrations import demonstration_examples
from keras_gpt3.evaluation.few_shot.question import prompt_parts
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_examples import make_examples
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from keras_gpt3.evaluation.task_definitions.task_records import Record
from keras_gpt3.evaluation.task_definitions.task_records import read_records
from tests.evaluation.task_definitions.appendix_g_prompts import PROMPTS

FOLDER = pathlib.Path(__file__).parents[2] / "fixtures" / "tasks"
TASKS = shipped_tasks()
# Names of several tasks start with that of their records' file.
SHARED = {"wmt": "translation", "lambada": "lambada"} | {
    name: name for name in ("arc", "race", "anli")
}


def examples_of(name):
    task = TASKS[name]
    file = "synthetic" if task.generator else name
    for start, shared in SHARED.items():
        file = shared if name.startswith(start) else file
    return make_examples(task, read_records(FOLDER / f"{file}.jsonl", task))


@pytest.mark.parametrize("name", TASKS)
def test_records_of_each_schema_become_examples(name):
    task, examples = TASKS[name], examples_of(name)
    assert len(examples) >= 2
    for example in examples:
        assert example.where.startswith("file=")
        # A model's first token should be that of a word: the blank is its.
        assert not example.context.endswith(" ")
        assert "{" not in example.context
        if example.choices:
            assert example.answers[0] == example.choices[example.label]
    # The records of a fixture have a demonstration at the least.
    assert examples[0].demonstration.endswith(examples[0].answers[0])
    assert bool(examples[0].contexts) == (task.scoring == "partial")


@pytest.mark.parametrize(("name", "index", "context", "answer"), PROMPTS)
def test_prompts_are_those_of_appendix_g(name, index, context, answer):
    example = examples_of(name)[index]
    assert example.answers[0] == answer
    assert context in (None, example.context)


def test_several_answers_are_accepted_once_each():
    assert examples_of("drop")[0].answers == (" 7", " seven")
    assert examples_of("coqa")[0].answers == (" two", " 2", " two cats")
    assert examples_of("coqa")[2].answers == (" Bo",)
    # As in the training split of the hub.
    assert examples_of("coqa")[3].answers == (" Ida",)
    assert examples_of("squadv2")[0].answers == (" 1931", " in 1931")


def test_references_are_what_each_person_answered():
    assert examples_of("drop")[0].references == (("7",), ("seven",), ("7",))
    assert examples_of("drop")[1].references == (("Ann", "Bo"),)
    assert examples_of("drop")[2].references == (("3 May 1950",),)
    assert examples_of("coqa")[0].references == (" two", " 2", " two cats")
    # The first answer is shown; those of the people alone are compared with.
    assert examples_of("quac")[0].references == ("in Oldham", "Oldham")
    task = dataclasses.replace(FREE, metrics=("coqa_f1",))
    (example,) = make_examples(task, [{"x": ["a", "b", "a"]}])
    assert example.answers == ("a", "b")
    assert example.references == ("a", "b", "a")
    # Spans, whatever else the task is scored by.
    task = dataclasses.replace(
        FREE, target="a", references="{{ [x] }}", metrics=("drop_f1", "f1")
    )
    (example,) = make_examples(task, [{"x": ["a", "b"]}])
    assert example.references == (("a", "b"),)


def test_multirc_groups_the_answers_to_a_question():
    groups = [example.group for example in examples_of("multirc")]
    assert groups == ["0-0", "0-0", "0-1"]


def test_a_demonstration_of_multirc_is_a_question_with_all_its_answers():
    shown = demonstration_examples(examples_of("multirc"))
    assert [one.demonstration for one in shown] == [
        "Ann and Bo sang.\n\nWho sang?\n- [True] Ann\n- [False] Max",
        "Ann and Bo sang.\n\nWhat did they do?\n- [True] They sang.",
    ]


def test_demonstrations_of_wsc_are_of_the_right_noun():
    examples = examples_of("wsc")
    assert [one.holds for one in examples] == [True, False, True]
    shown = demonstration_examples(examples)
    assert [one.answers for one in shown] == [(" eva",), (" the cake",)]


@pytest.mark.parametrize(
    ("name", "clusters"),
    [
        ("drop", [0, 1, 1]),
        ("multirc", [0, 0, 0]),
        ("squadv2", [0, 0, 1]),
        ("coqa", [0, 0, 1, 2, 2]),
        ("quac", [0, 0, 1]),
        ("race_h", [0, 0, 1]),
    ],
)
def test_questions_on_one_passage_are_a_cluster(name, clusters):
    found = [example.cluster for example in examples_of(name)]
    places = {key: place for place, key in enumerate(dict.fromkeys(found))}
    assert [places[key] for key in found] == clusters


def test_records_of_their_own_have_no_cluster():
    assert {example.cluster for example in examples_of("piqa")} == {None}


def test_record_accepts_several_choices_and_names_them():
    example = examples_of("record")[0]
    assert example.choice_names == ("Oldham", "Ann Lind", "Ann")
    assert example.answers == (example.choices[1], example.choices[2])
    assert example.label == 1


def test_a_text_to_be_written_has_no_answer():
    example = examples_of("news_articles")[1]
    assert example.answers == ()
    with pytest.raises(ValueError, match="news_articles.jsonl', line=2, which"):
        _ = example.demonstration


@pytest.mark.parametrize(
    ("name", "prompt", "answer"),
    [
        (
            "two_digit_addition",
            "\n\nQ: What is 98 plus 45?\n\nA: 143\n\nQ: What is 95 plus 58?"
            "\n\nA:",
            " 153",
        ),
        (
            "cycle_letters_in_word",
            "Please unscramble the letters into a word, and write that word:\n"
            "asinoc = casino\nyscowbo =",
            " cowboys",
        ),
    ],
)
def test_published_records_are_shown_as_published(name, prompt, answer):
    task = TASKS[name]
    records = read_records(FOLDER / f"published_{name}.jsonl", task)
    shown, asked = make_examples(task, records)[:2]
    before, (context,) = prompt_parts(task, [shown], asked)
    assert before + context == prompt
    assert asked.answers == (answer,)


# === What is wrong with a record ===

CHOICE = Task(
    name="made_up",
    title="Made up",
    paper="",
    fields={"x": "list"},
    context="Which?",
    target="",
    scoring="per_token",
    metrics=("accuracy",),
    shots=0,
    choices="{{ x }}",
    label="{{ 0 }}",
)
FREE = dataclasses.replace(
    CHOICE, scoring="generate", choices=None, label=None, target="{{ x }}"
)
PARTIAL = dataclasses.replace(
    CHOICE,
    scoring="partial",
    choices=None,
    contexts="{{ x }}",
    continuation="c",
)


@pytest.mark.parametrize(
    ("task", "changes", "value", "message"),
    [
        (CHOICE, {}, ["a"], "There must be at least two choices. "),
        (CHOICE, {}, "ab", "There must be at least two choices. "),
        (CHOICE, {}, ["a", " "], "Each text of choices must not be empty. "),
        (CHOICE, {}, ["a", 3], "Each text of choices must be a string. "),
        (
            CHOICE,
            {"label": "{{ 2 }}"},
            ["a", "b"],
            "A label must be the number",
        ),
        (CHOICE, {"label": "{{ -1 }}"}, ["a", "b"], "A label must be the numb"),
        (CHOICE, {"label": "0"}, ["a", "b"], "A label must be the number of a"),
        (
            CHOICE,
            {"label": "{{ true }}"},
            ["a", "b"],
            "A label must be the num",
        ),
        (CHOICE, {"target": "c"}, ["a", "b"], "The choice of the label must "),
        (
            CHOICE,
            {"context": "{{ x }}"},
            ["a", "b"],
            "Each text of context must",
        ),
        (
            CHOICE,
            {"choice_names": "{{ x[:1] }}"},
            ["a", "b"],
            "There must be at",
        ),
        (FREE, {}, "", "Each text of target must not be empty. "),
        (FREE, {}, ["a", "\n"], "Each text of target must not be empty. "),
        (FREE, {}, [], "There must be an answer. "),
        (FREE, {}, 3, "Each text of target must be a string. "),
        (
            FREE,
            {"turns": "{{ 0 }}"},
            "a",
            "A record's turns must be at least on",
        ),
        (
            FREE,
            {"turns": "{{ x }}"},
            "a",
            "A record's turns must be at least on",
        ),
        (FREE, {"holds": "{{ 1 }}"}, "a", "Whether an answer holds must be"),
        (FREE, {"references": "a"}, "a", "References must be a list of one"),
        (FREE, {"references": "{{ [] }}"}, "a", "References must be a list of"),
        (FREE, {"references": "{{ [x] }}"}, ["a"], "Each text of references"),
        (
            FREE,
            {"references": "{{ [[]] }}", "metrics": ("drop_f1",)},
            "a",
            "A reference must have a span. ",
        ),
        (
            FREE,
            {"references": "{{ [[1]] }}", "metrics": ("drop_f1",)},
            "a",
            "Each text of references must be a string. ",
        ),
        (PARTIAL, {}, ["a"], "There must be at least two contexts. "),
        (
            PARTIAL,
            {"continuation": " "},
            ["a", "b"],
            "Each text of continuation",
        ),
        (
            PARTIAL,
            {"label": "{{ 5 }}"},
            ["a", "b"],
            "A label must be the number",
        ),
    ],
)
def test_a_fault_names_file_and_line(task, changes, value, message):
    task = dataclasses.replace(task, **changes)
    record = Record({"x": value}, "file='a.jsonl', line=7")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}") as caught:
        make_examples(task, [record])
    assert "Received: file='a.jsonl', line=7, " in str(caught.value)
    assert str(caught.value).endswith(" Correct or remove the record.")


def test_a_dict_is_called_by_its_number():
    with pytest.raises(ValueError, match="Received: record 2, 1 of them"):
        make_examples(CHOICE, [{"x": ["a", "b"]}, {"x": ["a"]}])


def test_passages_begin_anew_where_another_stood_between():
    task = dataclasses.replace(
        FREE, passage="{{ x }}", context="{{ earlier | length ~ '' }}"
    )
    records = [{"x": letter} for letter in "aabaaa"]
    contexts = [example.context for example in make_examples(task, records)]
    assert contexts == ["0", "1", "0", "0", "1", "2"]
