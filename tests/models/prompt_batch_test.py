import numpy as np
import pytest

from keras_gpt3.models.generate.generation_request import GenerationRequest
from keras_gpt3.models.generate.prompt_batch import batch_of_ids
from keras_gpt3.models.generate.prompt_batch import batch_of_texts
from tests.small_gpt3 import as_inputs
from tests.small_gpt3 import talking_model


def request(**arguments):
    return GenerationRequest.checked(talking_model(), **arguments)


def texts(prompts, prefix=(), **arguments):
    return batch_of_texts(
        talking_model(), prompts, request(**arguments), prefix
    )


def test_each_prompt_ends_where_its_new_tokens_do():
    batch = texts(["!?", "!"], max_new_tokens=3)
    assert batch.token_ids.shape == (2, 5)
    assert batch.lengths.tolist() == [2, 1]
    assert batch.ends.tolist() == [5, 4]


def test_with_a_length_all_prompts_end_there():
    batch = texts(["!?", "!"], max_length=7)
    assert batch.token_ids.shape == (2, 7)
    assert batch.ends.tolist() == [7, 7]


@pytest.mark.parametrize("limit", [{"max_new_tokens": 35}, {"max_length": 6}])
def test_truncation_drops_first_tokens_but_not_the_prefix(limit):
    batch = texts(["!?:;!?"], (1, 2), truncate="left", **limit)
    (prompt,) = batch.token_ids[:, : batch.lengths[0]].tolist()
    whole = [int(i) for i in talking_model().preprocessor.tokenizer("!?:;!?")]
    assert prompt == [1, 2, *whole[-3:]]


@pytest.mark.parametrize(
    ("prefix", "limit", "num_last"),
    [
        ((), {"max_new_tokens": 37}, 2),
        ((), {"max_length": 4}, 2),
        ((), {"max_new_tokens": 39}, 0),
        ((1, 2), {"max_new_tokens": 37}, 1),
    ],
)
def test_truncation_keeps_the_start_token(prefix, limit, num_last, monkeypatch):
    preprocessor = talking_model().preprocessor
    monkeypatch.setattr(preprocessor, "add_start_token", True)
    batch = texts(["!?:;!?"], prefix, truncate="left", **limit)
    (prompt,) = batch.token_ids[:, : batch.lengths[0]].tolist()
    front = prefix or [preprocessor.tokenizer.start_token_id]
    whole = [int(i) for i in preprocessor.tokenizer("!?:;!?")]
    assert prompt == [*front, *whole[len(whole) - num_last :]]


@pytest.mark.parametrize("add_start_token", [True, False])
def test_truncation_cannot_make_room_where_there_is_none(
    add_start_token, monkeypatch
):
    preprocessor = talking_model().preprocessor
    monkeypatch.setattr(preprocessor, "add_start_token", add_start_token)
    with pytest.raises(ValueError, match="must fit the context of 40 tokens"):
        texts(["!?"], truncate="left", max_new_tokens=40)


def test_ids_keep_their_room():
    inputs = as_inputs(np.array([[5, 6, 7]]))
    inputs["padding_mask"][0, 2] = False
    batch = batch_of_ids(talking_model(), inputs, request())
    assert batch.token_ids.tolist() == [[5, 6, 0]]
    assert batch.ends.tolist() == [3]


IDS = as_inputs(np.arange(1, 51)[None])  # More than the context of 40.


def test_padding_beyond_the_context_does_not_count_with_new_tokens():
    inputs = {k: v.copy() for k, v in IDS.items()}
    inputs["padding_mask"][0, 5:] = False
    batch = batch_of_ids(talking_model(), inputs, request(max_new_tokens=3))
    assert batch.token_ids.tolist() == [[1, 2, 3, 4, 5, 0, 0, 0]]


@pytest.mark.parametrize(
    ("limit", "kept"), [({"max_new_tokens": 3}, 37), ({}, 39)]
)
def test_ids_are_truncated_to_the_context(limit, kept):
    asked = request(truncate="left", **limit)
    batch = batch_of_ids(talking_model(), IDS, asked)
    assert batch.token_ids.shape == (1, 40)
    assert batch.token_ids[0, :kept].tolist() == list(range(51 - kept, 51))


@pytest.mark.parametrize("width", [25, 31])
def test_a_prefix_and_the_room_behind_ids_must_fit(width):
    inputs = as_inputs(np.ones((1, width), int))
    inputs["padding_mask"][0, 4:] = False
    with pytest.raises(ValueError, match="length=") as error:
        batch_of_ids(talking_model(), inputs, request(), [1] * 20)
    assert f"Received: length={width + 20}." in str(error.value)


def test_more_padding_and_more_copies():
    batch = texts(["!?", "!"], max_new_tokens=2)
    wide = batch.widened(9).repeated(2)
    assert wide.token_ids.shape == wide.padding_mask.shape == (4, 9)
    assert wide.lengths.tolist() == [2, 2, 1, 1]
    assert wide.ends.tolist() == [4, 4, 3, 3]
