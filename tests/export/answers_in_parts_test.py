"""Decoding in parts, against `generate` in one."""

import re

import numpy as np
import pytest

from keras_gpt3 import GPT3
from tests.export.traced_endpoints import TracedEndpoints
from tests.export.traced_endpoints import lively_text_model

CONTEXT = 40
NEW = 12
CACHE = ("dense_keys", "dense_values", "banded_keys", "banded_values")


@pytest.fixture
def call(talker):
    return talker.call


def prompt_ids(call, texts):
    return call("tokenize", texts=texts)["token_ids"]


def stream(call, ids, parts, cache_length=None, **settings):
    """Extends prompts part by part; token ids, and where each part stopped."""
    length = ids.shape[1]
    total = length + NEW
    state = call("prefill", token_ids=ids, cache_length=cache_length or total)
    state["token_ids"] = np.pad(ids, [[0, 0], [0, NEW]])
    state["index"] = length
    stops = []
    for part in parts:
        end = min(int(state["index"]) + part, total)
        state = call("extend", **state, end=end, **settings)
        stops.append((int(state["index"]), state.pop("stopped").tolist()))
    return state["token_ids"], stops


SETTINGS = [
    {"temperature": 0.0},
    {"temperature": 1.3, "top_k": 30, "top_p": 0.8, "seed": 5},
    {"seed": 0},
]


@pytest.mark.parametrize("settings", SETTINGS)
@pytest.mark.quick_cases(1)
def test_parts_give_what_one_call_gives(call, settings):
    prompt = "the cat"
    whole = call("generate", prompts=[prompt], max_new_tokens=NEW, **settings)
    ids = prompt_ids(call, [prompt])
    for parts in ([NEW], [1] * NEW, [5, 1, 4, 2]):
        received, stops = stream(call, ids, parts, **settings)
        new = whole["num_tokens"][0]
        answer = received[:, ids.shape[1] :][:, :new]
        text = call("detokenize", token_ids=answer, lengths=[new])["texts"]
        assert text[0].decode("utf-8", "replace") == whole["texts"][0].decode()
        assert any(x for _, x in stops) or stops[-1][0] == ids.shape[1] + NEW


def test_rows_of_a_batch_are_streamed_as_alone(call):
    rows = np.concatenate([prompt_ids(call, [t]) for t in ("ab cd", "xy zw")])
    settings = {"temperature": [0.0, 1.5], "seed": [1, 2], "top_k": [0, 9]}
    both, _ = stream(call, rows, [4, 8], **settings)
    for row in range(2):
        alone, _ = stream(
            call,
            rows[row : row + 1],
            [7, 5],
            **{name: values[row] for name, values in settings.items()},
        )
        np.testing.assert_array_equal(both[row], alone[0])


def test_a_longer_cache_changes_nothing(call):
    ids = prompt_ids(call, ["a b c"])
    short, _ = stream(call, ids, [NEW], temperature=0.0)
    long, _ = stream(call, ids, [6, 6], cache_length=CONTEXT, temperature=0.0)
    np.testing.assert_array_equal(short, long)


def test_it_stops_at_the_end_of_text_and_says_so(call):
    model = lively_text_model(max_sequence_length=CONTEXT)
    ids = prompt_ids(call, ["the cat"])
    greedy, _ = stream(call, ids, [NEW], temperature=0.0)
    # The fourth new token becomes the end of text.
    place = ids.shape[1] + 3
    end = int(greedy[0, place])
    first = greedy[0, ids.shape[1] :].tolist().index(end) + ids.shape[1]
    model.preprocessor.tokenizer.end_token_id = end
    received, stops = stream(
        TracedEndpoints(model), ids, [NEW], temperature=0.0
    )
    assert stops == [(first + 1, [True])]
    np.testing.assert_array_equal(
        received[0, : first + 1], greedy[0, : first + 1]
    )
    # The loop ended there.
    assert not received[0, first + 1 :].any()


def test_without_a_tokenizer_it_stops_at_the_models_own_ids(talker):
    backbone = talker.model.backbone
    alone = GPT3(backbone)
    ids = np.array([[5, 6]])
    greedy, _ = stream(TracedEndpoints(alone), ids, [NEW], temperature=0.0)
    end = int(greedy[0, 5])
    first = greedy[0, 2:].tolist().index(end) + 2
    other = next(i for i in range(99) if i not in greedy)
    ended = GPT3(backbone, special_token_ids={"eos_token_id": [other, end]})
    _, stops = stream(TracedEndpoints(ended), ids, [NEW], temperature=0.0)
    assert stops == [(first + 1, [True])]


@pytest.mark.slow
def test_one_kind_of_layer_alone_streams_too():
    for pattern in (("dense",), ("banded",)):
        call = TracedEndpoints(
            lively_text_model(
                max_sequence_length=CONTEXT,
                attention_pattern=pattern,
                num_layers=1,
            )
        )
        ids = prompt_ids(call, ["the cat"])
        whole, _ = stream(call, ids, [NEW], temperature=0.0)
        parts, _ = stream(call, ids, [3, 9], temperature=0.0)
        np.testing.assert_array_equal(whole, parts)
        layers = call("prefill", token_ids=ids, cache_length=CONTEXT)
        kinds = [layers[name].shape[0] for name in CACHE]
        assert kinds == (
            [1, 1, 0, 0] if pattern == ("dense",) else [0, 0, 1, 1]
        )


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"cache_length": 3},
            "cache_length must hold the prompt, and be at most "
            "max_sequence_length=40. Received: cache_length=3. Pass the tokens "
            "that prompt and answer may have together.",
        ),
        (
            {"cache_length": 41},
            "cache_length must hold the prompt, and be at most "
            "max_sequence_length=40. Received: cache_length=41. Pass the "
            "tokens that prompt and answer may have together.",
        ),
        (
            {"token_ids": np.zeros((1, 0))},
            "A prompt must have at least one token. Received: tokens=0. Pass "
            "<|endoftext|> to start from nothing.",
        ),
    ],
)
def test_a_wrong_prefill_is_one_line(call, changes, message):
    inputs = {"token_ids": [[1, 2, 3, 4]], "cache_length": 9} | changes
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call("prefill", **inputs)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"end": 8},
            "end must fit the width of token_ids and the cache_length of "
            "prefill. Received: end=8. Request fewer tokens.",
        ),
        (
            {"index": 0},
            "index must be from 1 to end. Received: index=0. Pass the tokens "
            "known so far, of the prompt and from extend.",
        ),
        (
            {"index": 6},
            "index must be from 1 to end. Received: index=6. Pass the tokens "
            "known so far, of the prompt and from extend.",
        ),
        (
            {"token_ids": [[1, 2, 3, 4, 0, 0, 0]] * 2},
            "dense_keys must have the rows of token_ids. Received: rows=1. "
            "Pass the cache that prefill or extend gave for these rows.",
        ),
        (
            {"temperature": -1.0},
            "temperature must be a finite number of at least 0. Received: "
            "temperature=-1. Use 0 for greedy decoding.",
        ),
    ],
)
def test_a_wrong_part_is_one_line(call, changes, message):
    state = call("prefill", token_ids=[[1, 2, 3, 4]], cache_length=7)
    inputs = {"token_ids": [[1, 2, 3, 4, 0, 0, 0]], "index": 4, "end": 5}
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        call("extend", **(state | inputs | changes))
