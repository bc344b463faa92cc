import math
import re

import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot.evaluate import EvaluationRun
from keras_gpt3.evaluation.few_shot.evaluation_set import load_evaluation_sets
from keras_gpt3.evaluation.few_shot.rolling_text import score_text
from keras_gpt3.evaluation.task_definitions.task import Task
from keras_gpt3.evaluation.task_definitions.task_data import task_examples
from keras_gpt3.evaluation.task_definitions.task_file import shipped_tasks
from keras_gpt3.evaluation.task_definitions.task_rules import TaskFault
from keras_gpt3.evaluation.task_definitions.task_rules import check_task
from tests.small_gpt3 import talking_model

PTB = shipped_tasks()["penn_treebank"]
LINES = [
    "hello <unk> world",
    "the cat did n't cat the world 's cats",
    "it cost $ N million of the cats ' money",
    "12",
    "hello hello the world is the cat",
]
# Lines end within parts, and one has tokens of three of them.
CONTEXT, STEP = 40, 20


def examples(count=5):
    records = {"test": [{"text": f" {line} "} for line in LINES[:count]]}
    return task_examples(PTB, "test", records=records)


def naive(model, found):
    """The log-likelihood of each line, token by token."""
    encode = model.preprocessor.tokenizer.encode_to_numpy
    start = model.preprocessor.tokenizer.start_token_id
    lines = [encode(example.answers[0]).tolist() for example in found]
    ids, sums, place = sum(lines, []), [], 0
    for line in lines:
        total = 0.0
        for _ in line:
            begin = place // STEP * STEP - (CONTEXT + 1 - STEP)
            before = [start, *ids[:place]] if begin < 0 else ids[begin:place]
            total += model.score(before, [ids[place]]).log_likelihood
            place += 1
        sums.append(total)
    return sums, [len(line) for line in lines]


def test_lines_have_the_likelihoods_of_their_tokens_one_by_one():
    model, found = talking_model(), examples()
    outcomes = list(score_text(model, found, batch_size=2))
    sums, counts = naive(model, found)
    assert sum(counts) > 2 * CONTEXT
    assert [outcome.index for outcome in outcomes] == list(range(5))
    assert [outcome.num_tokens for outcome in outcomes] == [
        (n,) for n in counts
    ]
    # Sums of up to 60 tokens in float32, in blocks of other shapes.
    np.testing.assert_allclose(
        [outcome.log_likelihoods[0] for outcome in outcomes], sums, rtol=1e-5
    )


@pytest.mark.parametrize("known", [{0}, {1, 2}, {4}, {0, 1, 2, 3, 4}])
def test_what_is_known_is_left_out_and_changes_nothing(known):
    model, found = talking_model(), examples()
    all_of_them = list(score_text(model, found))
    some = list(score_text(model, found, known))
    assert [o.index for o in some] == sorted(set(range(5)) - known)
    for outcome in some:
        assert outcome.log_likelihoods == pytest.approx(
            all_of_them[outcome.index].log_likelihoods, rel=1e-5
        )


def test_a_limit_changes_no_line_before_it():
    model = talking_model()
    some = list(score_text(model, examples(2)))
    more = list(score_text(model, examples()))[:2]
    for one, other in zip(some, more, strict=True):
        assert one.log_likelihoods == pytest.approx(
            other.log_likelihoods, rel=1e-5
        )


def test_split_words_are_joined_and_line_ends_are_words():
    assert [example.answers[0] for example in examples(3)] == [
        "hello <unk> world\n",
        "the cat didn't cat the world's cats\n",
        "it cost $N million of the cats' money\n",
    ]
    assert [example.num_words for example in examples(3)] == [4, 10, 11]


def test_perplexity_is_per_word_of_the_file(tmp_path):
    lines = "".join(f" {line} \n" for line in LINES)
    (tmp_path / "ptb.test.txt").write_text(f"{lines}\n")
    model = talking_model()
    run = EvaluationRun(PTB, data=tmp_path, cache=tmp_path / "cache")
    ((result,),) = run(model)
    sums, _ = naive(model, examples())
    num_words = sum(len(line.split()) + 1 for line in LINES)
    expected = math.exp(-sum(sums) / num_words)
    assert result.metric == "word_perplexity"
    assert result.value == pytest.approx(expected, rel=1e-4)
    assert result.interval[0] <= result.value <= result.interval[1]
    # Once more, from what is kept.
    ((again,),) = EvaluationRun(PTB, data=tmp_path, cache=tmp_path / "cache")(
        model
    )
    assert again == result


@pytest.mark.parametrize(
    ("content", "shots", "message"),
    [
        (
            None,
            None,
            "that file or ptb.test.txt beside its folder, or leave out",
        ),
        (b"\n \n", None, "A file of records must hold at least one"),
        (b"a\n\xff\n", None, "line=2 (invalid start byte). Convert it."),
        (b"a\n", 2, "shots=2 for penn_treebank. Add 0, or leave the task out."),
    ],
)
def test_what_is_wrong_is_said_before_a_model_is_needed(
    content, shots, message, tmp_path
):
    if content is not None:
        (tmp_path / "ptb.test.txt").write_bytes(content)
    with pytest.raises((ValueError, OSError), match=re.escape(message)):
        EvaluationRun(PTB, shots, data=tmp_path)


def test_beside_tasks_with_demonstrations_it_is_scored_without(tmp_path):
    (tmp_path / "ptb.test.txt").write_bytes(b"a\n")
    (one,) = load_evaluation_sets([PTB], [0, 1], data=tmp_path)
    assert one.shots == (0,)


@pytest.mark.parametrize(
    ("changes", "invariant"),
    [
        ({"shots": 1}, "must have no demonstrations"),
        ({"fields": {"text": "string", "a": "list"}}, "the field text alone"),
    ],
)
def test_a_task_of_running_text_is_checked(changes, invariant):
    task = Task(**(vars(PTB) | changes))
    with pytest.raises(TaskFault, match=invariant):
        check_task(task)
