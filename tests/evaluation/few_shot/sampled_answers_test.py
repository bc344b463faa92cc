import dataclasses

import pytest

from keras_gpt3.evaluation.few_shot.example_scoring import score_examples
from keras_gpt3.evaluation.few_shot.question import make_questions
from keras_gpt3.evaluation.few_shot.sampled_answers import answer_seed
from keras_gpt3.evaluation.few_shot.sampled_answers import first_seed
from keras_gpt3.evaluation.few_shot.sampled_answers import sample_prompts
from keras_gpt3.evaluation.few_shot.sampled_answers import sample_texts
from keras_gpt3.evaluation.task_definitions.task_examples import Example
from tests.evaluation.small_tasks import telling
from tests.small_gpt3 import talking_model

TRAIN = [Example("cat", (" 12",)), Example("hello", (" world",))]
TEST = [Example("the cat", ()), Example("the cat", ()), Example("12", ())]
SETTINGS = {"temperature": 1.0, "top_p": 0.9}
DRAWN = telling(scoring="none", metrics=(), max_new_tokens=6, sampling=SETTINGS)


def texts(task=DRAWN, seed=0, batch_size=8, samples=1):
    model = talking_model()
    asked = [example for example in TEST for _ in range(samples)]
    questions = make_questions(model, task, TRAIN, asked, 1, samples=samples)
    found = score_examples(model, task, questions, batch_size, seed)
    return {o.index: o.predicted for o in found}


def test_texts_are_those_of_generate_with_the_seeds():
    model, found = talking_model(), texts()
    questions = list(make_questions(model, DRAWN, TRAIN, TEST, 1))
    for question in questions:
        prompt = model.preprocessor.tokenizer.detokenize(question.prompts[0])
        (expected,) = model.generate(
            [prompt],
            max_new_tokens=6,
            seed=answer_seed(DRAWN.name, 0, question.index),
            stop=["\n"],
            strip_prompt=True,
            **SETTINGS,
        )
        assert found[question.index] == expected


def test_a_text_depends_on_its_seed_and_number_alone():
    assert texts() == texts(batch_size=1)
    assert texts(seed=1) != texts()
    # The first two ask the same.
    assert texts()[0] != texts()[1]


def test_samples_of_one_example_share_demonstrations():
    model = talking_model()
    asked = [example for example in TEST for _ in range(5)]
    questions = list(make_questions(model, DRAWN, TRAIN, asked, 1, samples=5))
    for first in (0, 5, 10):
        prompts = {q.prompts for q in questions[first : first + 5]}
        assert len(prompts) == 1


def test_temperature_0_takes_the_likeliest():
    cold = dataclasses.replace(DRAWN, sampling={"temperature": 0.0})
    assert texts(cold) == texts(cold, seed=1)


def test_prompts_are_answered_with_their_numbers():
    model = talking_model()
    prompts = [[1, 2], [3]]
    found = sample_prompts(model, prompts, 2, [], SETTINGS, 4, [5, 6])
    assert sorted(number for number, _ in found) == [0, 1]


@pytest.mark.parametrize(("count", "stop"), [(3, []), (1, ["t"])])
def test_texts_after_one_prompt_are_those_of_generate(count, stop):
    model = talking_model()
    expected = model.generate(
        ["the cat"],
        max_new_tokens=6,
        num_return_sequences=count,
        seed=7,
        stop=stop,
        strip_prompt=True,
        **SETTINGS,
    )
    found = sample_texts(model, "the cat", count, 6, SETTINGS, 7, stop)
    assert found == (expected if count == 1 else expected[0])
    assert len(set(found)) == count


def test_a_prompt_s_seeds_are_others_than_another_s_and_leave_room():
    firsts = [first_seed(prompt, seed) for prompt in "abc" for seed in range(9)]
    assert len(set(firsts)) == len(firsts)
    assert all(0 <= first < 2**30 for first in firsts)


def test_more_samples_change_none_of_those_before():
    found = {
        count: texts(dataclasses.replace(DRAWN, samples=count), samples=count)
        for count in (2, 3)
    }
    for record in range(2):
        for number in range(2):
            few, more = 2 * record + number, 3 * record + number
            assert found[2][few] == found[3][more]


@pytest.mark.parametrize(
    "other", [("a", 0, 1), ("a", 1, 0), ("b", 0, 0), ("a", 0, 0, 1)]
)
def test_seeds_differ_by_task_seed_and_number(other):
    assert answer_seed("a", 0, 0) != answer_seed(*other)
    assert 0 <= answer_seed(*other) < 2**31
