import numpy as np
import pytest

from keras_gpt3.evaluation.few_shot import shared_batches
from keras_gpt3.evaluation.harness.harness_arguments import HarnessOptions
from keras_gpt3.evaluation.harness.harness_tokens import answer_prompts
from tests.small_gpt3 import talking_model

TEXTS = ["the cat", "the dog is", "a", "hello world", "the cat"]


def answers(options, texts=TEXTS, **arguments):
    model = talking_model()
    prompts = model.preprocessor.prompt_ids(texts)
    options = HarnessOptions.read({"max_gen_toks": 9} | options)
    found = dict(answer_prompts(model, prompts, options, **arguments))
    return [found[i] for i in range(len(texts))]


def alone(text, temperature=0.0, **options):
    return talking_model().generate(
        text,
        max_new_tokens=9,
        strip_prompt=True,
        temperature=temperature,
        **options,
    )


@pytest.mark.parametrize("shares_prefixes", [False, True])
def test_answers_are_those_of_each_prompt_alone(monkeypatch, shares_prefixes):
    if shares_prefixes:
        monkeypatch.setattr(
            shared_batches.shared_prefixes, "__defaults__", (2, 2)
        )
    expected = [alone(text) for text in TEXTS]
    assert answers({}, batch_size=2) == expected
    assert len(set(expected)) > 2


def test_an_answer_ends_before_any_of_its_stop_strings():
    whole = alone("the cat")
    until = [whole[4:6], whole[2:4]]
    end = min(whole.index(s) for s in until)
    assert answers({"until": until}, ["the cat"]) == [whole[:end]]


def test_draws_differ_by_seed_and_are_the_same_again():
    drawn = answers({"temperature": 1.0}, ["the cat"] * 3, seeds=[0, 1, 1])
    assert drawn[0] != drawn[1] == drawn[2]
    again = [alone("the cat", temperature=1.0, seed=s) for s in (0, 1, 1)]
    assert drawn == again


def test_what_a_model_is_compiled_with_does_not_count():
    from keras_gpt3.generation import SeededSampler

    model = talking_model()
    expected, sampler = answers({}, ["the cat"]), model.sampler
    model.sampler = SeededSampler(repetition_penalty=5.0, top_k=3)
    try:
        assert answers({}, ["the cat"]) == expected
    finally:
        model.sampler = sampler


def test_a_wrong_setting_raises():
    with pytest.raises(ValueError, match="temperature must be a finite "):
        answers({"temperature": np.nan})
