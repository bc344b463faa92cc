from keras_gpt3.evaluation.few_shot.demonstrations import demonstration_examples
from keras_gpt3.evaluation.task_definitions.task_examples import Example


def example(context, answer, **fields):
    return Example(context, (answer,), **fields)


def test_examples_without_groups_stay_as_they_are():
    examples = [example("a", "1"), example("a", "1"), Example("b", ())]
    assert demonstration_examples(examples) == examples


def test_a_group_is_shown_once_with_all_of_its_answers():
    examples = [
        example("q1", "\n- [True] a", group="1", choices=("x", "y"), label=0),
        example("q2", "\n- [True] b", group="2", choices=("x", "y"), label=0),
        example("q1", "\n- [False] c", group="1", choices=("x", "y"), label=1),
    ]
    shown = demonstration_examples(examples)
    assert [one.demonstration for one in shown] == [
        "q1\n- [True] a\n- [False] c",
        "q2\n- [True] b",
    ]


def test_a_group_of_different_contexts_is_not_joined():
    examples = [example("a", "1", group="1"), example("b", "2", group="1")]
    assert demonstration_examples(examples) == examples


def test_what_does_not_hold_is_not_shown():
    right = example("a", " ann")
    wrong = example("b", " eva", holds=False)
    assert demonstration_examples([wrong, right]) == [right]
