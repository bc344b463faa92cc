import logging

import numpy as np
import pytest

from keras_gpt3 import GPT3Preprocessor
from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.evaluation.few_shot import shared_batches
from keras_gpt3.evaluation.harness.harness_arguments import HarnessOptions
from keras_gpt3.evaluation.harness.harness_tokens import HarnessTokens
from keras_gpt3.evaluation.harness.harness_tokens import answer_prompts
from keras_gpt3.evaluation.harness.harness_tokens import prompt_seeds
from tests.small_gpt3 import talking_model
from tests.tokenization.small_vocabulary import small_vocabulary

# === Harness tokens ===


END = 271
TOKENIZER = GPT3Tokenizer(*small_vocabulary())


def tokens(max_length=12, add_start_token=False):
    preprocessor = GPT3Preprocessor(TOKENIZER, add_start_token=add_start_token)
    return HarnessTokens(preprocessor, max_length)


def ids(text):
    return np.asarray(TOKENIZER(text)).tolist()


@pytest.mark.parametrize(
    ("context", "continuation", "expected"),
    [
        ("hello", " world", ("hello", " world")),
        # White space goes to the continuation: " the" is one token.
        ("hello ", "the", ("hello", " the")),
        ("hello\n\n", "a", ("hello", "\n\na")),
        ("", "the", ("<|endoftext|>", "the")),
        (" \n", "the", ("<|endoftext|>", " \nthe")),
        ("", "<|endoftext|>the", ("<|endoftext|>", "the")),
    ],
)
def test_a_pair_is_split_where_the_harness_splits_it(
    context, continuation, expected
):
    found = tokens().pair(context, continuation)
    assert found == tuple(ids(text) for text in expected)


def test_a_pair_is_encoded_as_one_text():
    # "12" is a token: apart they would be two.
    assert tokens().pair("a1", "2the") == (ids("a1"), ids("a12the")[2:])


@pytest.mark.parametrize(
    ("text", "expected"),
    [("a", [END, *ids("a")]), ("<|endoftext|>a", [END, *ids("a")])],
)
def test_a_start_token_stands_once(text, expected):
    assert tokens(add_start_token=True).encode(text) == expected
    assert tokens(add_start_token=True).encode(text, False)[-1:] == ids("a")


@pytest.mark.parametrize("add_start_token", [False, True])
def test_an_empty_context_is_the_start_token_alone(add_start_token):
    found = tokens(add_start_token=add_start_token)
    assert found.pair("", "a") == ([END], ids("a"))
    assert found.prompts([""], 2) == [[END]]


@pytest.mark.parametrize(
    ("context", "continuation", "message"),
    [
        ("a", "", "from 1 to max_length=12 tokens. Received: 0 tokens, cont"),
        ("", "", "Received: 0 tokens, continuation=''. Correct the task's "),
        ("1", "2", "Received: 0 tokens, continuation='2'. Correct the task"),
        ("a", "b" * 13, "Received: 13 tokens, continuation='bbbbbbbbbbbbb'. "),
    ],
)
def test_a_continuation_must_have_tokens_that_fit(
    context, continuation, message
):
    with pytest.raises(ValueError, match=message):
        tokens().pair(context, continuation)


def test_what_is_too_long_loses_its_first_tokens_with_a_word(caplog):
    before = list(range(12))
    with caplog.at_level(logging.WARNING):
        found = tokens().fitted([(before, [1, 2]), (before, [1])])
    # Of 13 tokens the last is not read.
    assert found == [(before[1:], [1, 2]), (before, [1])]
    (record,) = caplog.records
    assert record.getMessage() == (
        "1 of 2 contexts lost their first tokens to fit max_length=12."
    )


def test_prompts_leave_room_for_their_answers():
    text = "abcdefghijkl"
    assert tokens().prompts([text, "a"], 4) == [ids("efghijkl"), ids("a")]
    message = (
        "^max_gen_toks must be below max_length=12. Received: max_gen_toks=12. "
        "Request shorter answers.$"
    )
    with pytest.raises(ValueError, match=message):
        tokens().prompts(["a"], 12)


def test_special_tokens_are_left_out_of_texts_unless_asked_for():
    found = [*ids("a"), END, *ids("b")]
    assert tokens().decode(found) == "ab"
    assert tokens().decode(found, skip_special_tokens=False) == (
        "a<|endoftext|>b"
    )
    assert tokens().decode(END, skip_special_tokens=False) == "<|endoftext|>"


# === Harness answers ===


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
@pytest.mark.quick_cases(1)
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


# === Prompt seeds ===


def test_a_seed_is_that_of_the_prompt_not_of_its_place():
    one, other = prompt_seeds(["a", "b"], seed=0)
    assert one != other
    assert prompt_seeds(["b", "a"], seed=0) == [other, one]


def test_a_prompt_that_comes_again_has_another_seed():
    seeds = prompt_seeds(["a", "b", "a", "a"], seed=0)
    assert len(set(seeds)) == 4
    assert prompt_seeds(["a"] * 3, seed=0) == [seeds[0], *seeds[2:]]


def test_other_seeds_have_other_seeds():
    assert prompt_seeds(["a"], seed=1) != prompt_seeds(["a"], seed=0)


def test_seeds_are_the_same_on_every_machine_and_fit_int32():
    assert prompt_seeds(["a"], seed=0) == [2064081155]
    many = prompt_seeds(list(map(str, range(1000))), seed=0)
    assert 0 <= min(many) and max(many) < 2**31
