import re

import pytest

from keras_gpt3.serving.text_stream import TextStream


def all_pieces(model, row):
    """The pieces of a stream, and the stream behind the last one."""
    stream, pieces = TextStream(model, row), []
    while stream.finish_reason is None:
        pieces.append(stream.advance())
    return pieces, stream


@pytest.mark.parametrize(
    "prompt, options",
    [
        ("the cat", {"max_new_tokens": 9, "temperature": 0.0}),
        ("the cat", {"max_new_tokens": 30, "temperature": 0.7, "seed": 4}),
        ("a", {"max_new_tokens": 1, "seed": 2}),
        ("a", {"max_new_tokens": 39, "top_k": 9, "seed": 5}),
        ("Hello, Wörld 12", {"max_new_tokens": 12, "top_p": 0.6, "seed": 3}),
        (
            "z?" * 30,
            {"max_new_tokens": 11, "truncate": "left", "seed": 6},
        ),
    ],
)
def test_the_pieces_are_the_answer_of_generate(
    model, alone, row_of, prompt, options
):
    pieces, stream = all_pieces(model, row_of(prompt, **options))
    expected = alone(prompt, **options)
    assert "".join(pieces) == expected["texts"]
    for name in ("finish_reason", "num_tokens", "num_prompt_tokens"):
        assert getattr(stream, name) == expected[name]


@pytest.mark.parametrize("seed", range(6))
def test_a_stop_string_ends_the_stream_where_it_ends_generate(
    model, alone, row_of, seed
):
    options = {"max_new_tokens": 30, "seed": seed}
    whole = alone("the cat", **options)["texts"]
    # Two characters from amid the answer, and what is not there. Bytes that
    # are no character are compared as bytes by the graph.
    ends = [i for i in range(3, len(whole)) if "\ufffd" not in whole[i - 2 : i]]
    end = ends[seed % len(ends)]
    options["stop"] = [whole[end - 2 : end], "not there"]
    pieces, stream = all_pieces(model, row_of("the cat", **options))
    expected = alone("the cat", **options)
    assert "".join(pieces) == expected["texts"]
    assert stream.finish_reason == expected["finish_reason"] == "stop"
    assert stream.num_tokens == expected["num_tokens"]


def test_the_end_of_text_ends_the_stream(model, alone, row_of):
    # A seed that draws the end of text, found by trying.
    seeds = (
        seed
        for seed in range(2000)
        if alone("b", max_new_tokens=30, seed=seed, temperature=2.0)[
            "finish_reason"
        ]
        == "stop"
    )
    options = {"max_new_tokens": 30, "temperature": 2.0, "seed": next(seeds)}
    pieces, stream = all_pieces(model, row_of("b", **options))
    expected = alone("b", **options)
    assert "".join(pieces) == expected["texts"]
    assert stream.finish_reason == "stop"
    assert stream.num_tokens == expected["num_tokens"]


def test_the_first_token_is_not_kept_waiting(model, row_of):
    stream = TextStream(model, row_of("the cat", max_new_tokens=20))
    counts = []
    while stream.finish_reason is None:
        stream.advance()
        counts.append(stream.num_tokens)
    assert counts == [1, 5, 9, 13, 17, 20]


@pytest.mark.parametrize(
    "prompt, message",
    [
        ("", "A prompt must have at least one token. Received: tokens=0."),
        (
            "z?" * 20,
            "prompt and max_new_tokens must fit the context of 40 tokens. "
            "Received: tokens=45.",
        ),
    ],
)
def test_a_wrong_prompt_is_refused_before_the_first_piece(
    model, row_of, prompt, message
):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        TextStream(model, row_of(prompt, max_new_tokens=5))
