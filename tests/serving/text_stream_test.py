import numpy as np
import pytest

from keras_gpt3.serving.served_model import TextStream


def all_pieces(model, arrays):
    """The pieces of a stream, and the stream behind the last one."""
    stream, pieces = TextStream(model, arrays), []
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
    model, alone, arrays_of, prompt, options
):
    pieces, stream = all_pieces(model, arrays_of(prompt, **options))
    expected = alone(prompt, **options)
    assert "".join(pieces) == expected["texts"]
    for name in ("finish_reason", "num_tokens", "num_prompt_tokens"):
        assert getattr(stream, name) == expected[name]


@pytest.mark.parametrize("seed", range(6))
def test_a_stop_string_ends_the_stream_where_it_ends_generate(
    model, alone, arrays_of, seed
):
    options = {"max_new_tokens": 30, "seed": seed}
    whole = alone("the cat", **options)["texts"]
    # Two characters from amid the answer, and what is not there. Bytes that
    # are no character are compared as bytes by the graph.
    ends = [i for i in range(3, len(whole)) if "\ufffd" not in whole[i - 2 : i]]
    end = ends[seed % len(ends)]
    options["stop"] = [whole[end - 2 : end], "not there"]
    pieces, stream = all_pieces(model, arrays_of("the cat", **options))
    expected = alone("the cat", **options)
    assert "".join(pieces) == expected["texts"]
    assert stream.finish_reason == expected["finish_reason"] == "stop"
    assert stream.num_tokens == expected["num_tokens"]


@pytest.fixture
def model_that_ends(model):
    """The model, its end of text more likely than it was."""
    name = "token_embedding/embeddings:0"
    embeddings = [
        variable
        for signature in ("generate", "extend")
        for variable in model._loaded.signatures[signature].variables
        if variable.name == name
    ]
    before = embeddings[0].numpy()
    raised = before.copy()
    raised[-1] *= 5  # The last token ends a text.
    for variable in embeddings:
        variable.assign(raised)
    yield model
    for variable in embeddings:
        variable.assign(before)


@pytest.mark.parametrize("seed", [0, 2])
def test_the_end_of_text_ends_the_stream(model_that_ends, arrays_of, seed):
    arrays = arrays_of("the cat", max_new_tokens=30, seed=seed)
    pieces, stream = all_pieces(model_that_ends, arrays)
    expected = model_that_ends.call("generate", arrays)
    assert 1 < expected["num_tokens"] < 30
    assert "".join(pieces) == expected["texts"][0].decode()
    assert stream.finish_reason == "stop"
    assert stream.num_tokens == expected["num_tokens"]


def test_a_prompt_that_is_cut_keeps_the_start_token(
    model, arrays_of, monkeypatch
):
    call, starts = model.call, np.array([[7]], "int32")

    def call_with_start(name, inputs):
        answer = call(name, inputs)
        if name == "tokenize":
            answer["start_token_ids"] = starts
        return answer

    monkeypatch.setattr(model, "call", call_with_start)
    arrays = arrays_of("z?" * 30, max_new_tokens=37, truncate="left")
    stream = TextStream(model, arrays)
    ids = call("tokenize", {"texts": arrays["prompts"]})
    assert stream.num_prompt_tokens == 3
    assert stream._state["token_ids"][0, :3].tolist() == [
        7,
        *ids["token_ids"][0, -2:],
    ]


def test_the_first_token_is_not_kept_waiting(model, arrays_of):
    stream = TextStream(model, arrays_of("the cat", max_new_tokens=20))
    counts = []
    while stream.finish_reason is None:
        stream.advance()
        counts.append(stream.num_tokens)
    assert counts == [1, 5, 9, 13, 17, 20]
