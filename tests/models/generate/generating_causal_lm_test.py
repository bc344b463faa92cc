"""What `generate`, `stream` and `beam_search` do with texts."""

import re

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.generation import BeamSampler
from keras_gpt3.generation import SeededSampler
from keras_gpt3.models import GPT3
from tests.models.whole_pass import whole_pass
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_model
from tests.small_gpt3 import talking_model

PROMPTS = ["the cat", "a", "Hello, Wörld 12"]
NEW = 12


def encode(text):
    return talking_model().preprocessor.tokenizer(text)


def slow_answer(prompt, new_tokens=NEW):
    """Greedy tokens, each from a whole forward pass, up to the end of text."""
    model = talking_model()
    ids = [int(i) for i in encode(prompt)]
    answer = []
    while len(answer) < new_tokens:
        logits = whole_pass(model, np.array([ids + answer]))
        answer.append(int(logits[0, -1].argmax()))
        if answer[-1] == model.preprocessor.tokenizer.end_token_id:
            return answer[:-1]
    return answer


def slow_text(prompt, new_tokens=NEW):
    tokenizer = talking_model().preprocessor.tokenizer
    return tokenizer.detokenize(slow_answer(prompt, new_tokens))


# === Lengths ===


def test_each_prompt_of_a_batch_gets_so_many_new_tokens_as_alone():
    answers = talking_model().generate(
        PROMPTS, max_new_tokens=NEW, strip_prompt=True
    )
    assert answers == [slow_text(prompt) for prompt in PROMPTS]
    assert len(set(answers)) == len(PROMPTS)


def test_prompt_and_answer_come_together_by_default():
    (whole,) = talking_model().generate(["the cat"], max_new_tokens=NEW)
    assert whole == "the cat" + slow_text("the cat")


def test_truncation_keeps_the_end_of_a_long_prompt():
    model, long = talking_model(), "12 the cat a " * 10
    kept = encode(long)[-(40 - NEW) :]
    kept = model.preprocessor.tokenizer.detokenize(kept)
    assert list(encode(kept)) == list(encode(long)[-(40 - NEW) :])
    answer = model.generate(
        long, max_new_tokens=NEW, truncate="left", strip_prompt=True
    )
    assert answer == slow_text(kept)


def test_datasets_are_answered_batch_by_batch():
    model = talking_model()
    dataset = tf.data.Dataset.from_tensor_slices(PROMPTS).batch(2)
    answers = model.generate(dataset, max_new_tokens=NEW)
    assert answers == model.generate(PROMPTS, max_new_tokens=NEW)


def test_datasets_without_batches_and_without_anything_are_answered():
    model = talking_model()
    one = tf.data.Dataset.from_tensor_slices(PROMPTS[1:2])
    assert model.generate(one, max_new_tokens=NEW) == model.generate(
        PROMPTS[1:2], max_new_tokens=NEW
    )
    assert model.generate(one.take(0), max_new_tokens=NEW) == []
    two = tf.data.Dataset.from_tensor_slices(PROMPTS[:2])
    options = {"temperature": 1.0, "seed": 3, "num_return_sequences": 2}
    answers = model.generate(two, max_new_tokens=NEW, **options)
    assert answers == model.generate(PROMPTS[:2], max_new_tokens=NEW, **options)


def test_a_dataset_of_prompts_and_labels_raises():
    message = (
        "A dataset of prompts must yield them alone. Received: elements of 2 "
        "parts. Drop the others with inputs.map."
    )
    pairs = tf.data.Dataset.from_tensor_slices((PROMPTS, PROMPTS))
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        talking_model().generate(pairs)


@pytest.mark.parametrize("prompts", [[], np.array([], str)])
def test_a_list_without_prompts_raises(prompts):
    message = (
        "inputs must hold at least one prompt. Received: prompts=0. Leave the "
        "empty batch out."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        talking_model().generate(prompts)


def test_ids_that_the_tokenizer_lacks_are_never_chosen():
    tokenizer = talking_model().preprocessor.tokenizer
    backbone = small_backbone(
        vocabulary_size=tokenizer.vocabulary_size() + 200,
        max_sequence_length=40,
    )
    model = GPT3(backbone, talking_model().preprocessor)
    model.compile(sampler="greedy")
    prompts = ["a", "the", "12"]
    drawn = model.generate(prompts, max_new_tokens=30, temperature=2.0)
    assert len(set(drawn)) == 3
    assert model.generate(prompts, max_new_tokens=30)


# === Stop strings ===


def stops_within(text):
    """Stop strings that end an answer at its start, within, and at its end."""
    middle = len(text) // 2
    return [text[:1], text[middle - 2 : middle + 2], text[-2:]]


@pytest.mark.parametrize("place", range(3))
@pytest.mark.quick_cases(1)
def test_an_answer_ends_before_a_stop_string_wherever_tokens_end(place):
    whole = slow_text("the cat", 20)
    stop = stops_within(whole)[place]
    answer = talking_model().generate(
        "the cat", max_new_tokens=20, stop=["\0", stop], strip_prompt=True
    )
    assert answer == whole[: whole.index(stop)]


def test_a_stop_string_in_the_prompt_does_not_count():
    model = talking_model()
    answer = model.generate("the cat", max_new_tokens=NEW, stop="the cat")
    assert answer == "the cat" + slow_text("the cat")


# === Settings for one call ===


def test_settings_answer_as_a_sampler_compiled_with_them():
    settings = {"temperature": 0.9, "top_k": 50, "seed": 3, "min_p": 0.01}
    model = talking_model()
    answer = model.generate(PROMPTS, max_new_tokens=NEW, **settings)
    model.compile(sampler=SeededSampler(**settings))
    expected = model.generate(PROMPTS, max_new_tokens=NEW)
    # A compiled one's settings change one by one.
    other = model.generate(PROMPTS, max_new_tokens=NEW, seed=4)
    model.compile(sampler="greedy")
    assert answer == expected
    assert other == model.generate(
        PROMPTS, max_new_tokens=NEW, **settings | {"seed": 4}
    )
    assert other != answer


def test_other_values_of_settings_compile_nothing():
    model = talking_model()
    loops = model.decode_graphs()
    model.generate("a", max_new_tokens=NEW, temperature=0.9, top_p=0.9)
    before = dict(loops.traces)
    model.generate("the", max_new_tokens=7, temperature=1.5, top_p=0.5, seed=7)
    assert loops.traces == before


@pytest.mark.backend(
    "tensorflow", "jax", reason="PyTorch runs all as it comes."
)
@pytest.mark.parametrize("sampler", ["greedy", SeededSampler()])
@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.quick_cases(1)
def test_without_a_seed_calls_and_rows_draw_differently(
    sampler, count, monkeypatch
):
    model, traces = talking_model(), []
    model.compile(sampler=sampler)
    step = type(model).call_with_cache

    def counted(*arguments):
        traces.append(arguments)
        return step(*arguments)

    monkeypatch.setattr(type(model), "call_with_cache", counted)

    def draw(**seed):
        options = {"temperature": 1.0, "max_new_tokens": NEW} | seed
        return model.generate(["the cat"] * count, **options)

    answers = draw()
    once = len(traces)
    for _ in range(3):
        answers += draw()
    # The seed is an input of what is compiled.
    assert len(traces) == once > 0
    assert len(set(answers)) == 4 * count
    assert draw(seed=5) == draw(seed=5) and len(set(draw(seed=5))) == 1
    keras.utils.set_random_seed(1)
    answers = draw()
    keras.utils.set_random_seed(1)
    assert draw() == answers
    model.compile(sampler="greedy")


def test_several_answers_are_those_of_following_seeds():
    model = talking_model()
    settings = {"temperature": 1.0, "max_new_tokens": NEW}
    answers = model.generate(
        PROMPTS[:2], num_return_sequences=3, seed=5, **settings
    )
    for prompt, three in zip(PROMPTS, answers, strict=False):
        assert len(set(three)) == 3
        assert three == [
            model.generate(prompt, seed=seed, **settings) for seed in (5, 6, 7)
        ]


# === Streams ===


@pytest.mark.parametrize("stop", [None, "stop within"])
def test_a_stream_gives_the_answer_in_pieces(stop):
    model, prompt = talking_model(), "Hello, Wörld 12"
    stop = stop and stops_within(slow_text(prompt, 20))[1]
    pieces = list(model.stream(prompt, max_new_tokens=20, stop=stop))
    whole = model.generate(
        prompt, max_new_tokens=20, stop=stop, strip_prompt=True
    )
    assert "".join(pieces) == whole
    assert len(pieces) > 2


def test_a_stream_draws_as_generate_does():
    model, settings = talking_model(), {"temperature": 1.0, "seed": 2}
    pieces = model.stream("a", max_new_tokens=NEW, **settings)
    assert "".join(pieces) == model.generate(
        "a", max_new_tokens=NEW, strip_prompt=True, **settings
    )


# === Searches ===


def test_a_search_gives_answers_and_scores_best_first():
    model = talking_model()
    answers = model.beam_search("the cat", max_new_tokens=4, num_beams=3)
    scores = [answer.score for answer in answers]
    assert scores == sorted(scores, reverse=True) and len(scores) == 3
    for answer in answers:
        score = model.score("the cat", list(answer.token_ids))
        penalty = ((5 + len(answer.token_ids)) / 6) ** 0.6
        assert answer.score == pytest.approx(
            score.log_likelihood / penalty, rel=1e-4
        )


def test_searches_of_a_batch_are_those_of_each_prompt():
    model = talking_model()
    found = model.beam_search(PROMPTS[:2], max_new_tokens=4, num_beams=3)
    for prompt, answers in zip(PROMPTS, found, strict=False):
        alone = model.beam_search(prompt, max_new_tokens=4, num_beams=3)
        assert [a.text for a in answers] == [a.text for a in alone]


def test_a_beam_sampler_gives_its_best_answers():
    model = talking_model()
    expected = model.beam_search("the cat", max_new_tokens=4, num_beams=3)
    model.compile(sampler=BeamSampler(3))
    answers = model.generate(
        "the cat", max_new_tokens=4, num_return_sequences=2, strip_prompt=True
    )
    model.compile(sampler="greedy")
    assert answers == [answer.text for answer in expected[:2]]


# === Token ids ===


def test_ids_without_a_preprocessor_take_the_same_arguments():
    model = small_model(max_sequence_length=40)
    model.compile(sampler="greedy")
    inputs = {
        "token_ids": np.array([[5, 6, 7], [8, 0, 0]]),
        "padding_mask": np.array([[True] * 3, [True, False, False]]),
    }
    answers = model.generate(
        inputs,
        max_new_tokens=4,
        temperature=1.0,
        num_return_sequences=2,
        strip_prompt=True,
    )
    assert answers["token_ids"].shape == (2, 2, 7)
    assert (answers["padding_mask"].sum(-1) == 4).all()
    assert answers["padding_mask"][..., :4].all()


def test_batches_of_ids_of_other_lengths_are_joined():
    model = small_model(max_sequence_length=40)
    model.compile(sampler="greedy")
    ids = [np.array([[5, 6, 7]]), np.array([[8]])]
    dataset = tf.data.Dataset.from_generator(
        lambda: map(as_inputs, ids),
        output_signature={
            "token_ids": tf.TensorSpec((1, None), tf.int64),
            "padding_mask": tf.TensorSpec((1, None), tf.bool),
        },
    )
    answers = model.generate(dataset, max_new_tokens=2)
    assert answers["token_ids"].shape == (2, 5)
    assert answers["padding_mask"].sum(axis=1).tolist() == [5, 3]


# === What is wrong ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"inputs": ""},
            "A prompt must have at least one token. Received: tokens=0. Pass "
            "<|endoftext|> to start from nothing.",
        ),
        (
            {"max_new_tokens": 0},
            "max_new_tokens must be an integer of at least 1. Received: "
            "max_new_tokens=0. Pass 1 or more.",
        ),
        (
            {"max_new_tokens": 40},
            "prompt and max_new_tokens must fit the context of 40 tokens. "
            "Received: tokens=45. Shorten the prompt, request fewer tokens, or "
            "set truncate to left.",
        ),
        (
            {"temperature": -1},
            "temperature must be a finite number of at least 0. Received: "
            "temperature=-1. Use 0 for greedy decoding.",
        ),
        (
            {"inputs": "a\ud800"},
            "Texts must be valid UTF-8.",
        ),
        (
            {"stop": 3},
            "stop must be a string or a list of strings, none of them empty. "
            "Received: stop=3. Leave it out to stop at the end of text only.",
        ),
    ],
)
@pytest.mark.parametrize("route", ["generate", "stream"])
def test_wrong_requests_raise_at_once(route, arguments, message):
    arguments = {"inputs": "the cat", "max_new_tokens": 4} | arguments
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        getattr(talking_model(), route)(**arguments)


@pytest.mark.parametrize(
    ("change", "arguments", "message"),
    [
        (
            {},
            {"inputs": ["a", "b"]},
            "stream must be given one prompt, a string. Received: type=list. "
            "Stream each prompt by itself, or use generate.",
        ),
        (
            {"sampler": BeamSampler()},
            {"inputs": "a"},
            "sampler must choose token after token to be streamed. Received: "
            "sampler=BeamSampler. Use generate, or pass a temperature.",
        ),
    ],
)
def test_what_cannot_be_streamed_raises(change, arguments, message):
    model = talking_model()
    model.compile(**({"sampler": "greedy"} | change))
    try:
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            model.stream(**arguments)
    finally:
        model.compile(sampler="greedy")


def test_ids_cannot_be_streamed():
    message = (
        "stream must have a preprocessor, which makes text of tokens. "
        "Received: preprocessor=None. Attach a GPT3Preprocessor."
    )
    model = small_model()
    model.compile(sampler="greedy")
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.stream(as_inputs(np.ones((1, 2), "int32")))
