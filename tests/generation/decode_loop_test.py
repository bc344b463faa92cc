import keras
import numpy as np
import pytest
from keras import KerasTensor
from keras import ops

from keras_gpt3.generation import decode
from keras_gpt3.generation.decode_loop import decode_until
from keras_gpt3.generation.decode_loop import loop_variables
from keras_gpt3.generation.decode_loop import mask_up_to_stop
from keras_gpt3.generation.decode_loop import start_decoding
from keras_gpt3.generation.decode_loop import without_state
from tests.generation.graphs import show
from tests.generation.graphs import traced
from tests.generation.graphs import wait_for_shown
from tests.generation.toy_model import LENGTH
from tests.generation.toy_model import PROMPTS
from tests.generation.toy_model import VOCABULARY_SIZE
from tests.generation.toy_model import next_logits
from tests.generation.toy_model import padded_prompts
from tests.generation.toy_model import slow_continuation

# === Decode loop ===


def greedy(logits, index):
    return ops.argmax(logits, axis=-1)


def run(token_ids, mask, stop_token_ids, choose=greedy):
    answer = decode(
        next_logits, choose, token_ids, mask, token_ids, stop_token_ids
    )
    return answer, mask_up_to_stop(answer, mask, stop_token_ids)


run_in_graph = traced(
    run,
    signature=[
        KerasTensor((None, None), "int32"),
        KerasTensor((None, None), "bool"),
        [KerasTensor((), "int32")],
    ],
)


@pytest.mark.parametrize("decode_all", [run, run_in_graph])
@pytest.mark.parametrize("stop", range(-1, VOCABULARY_SIZE))
def test_each_row_gives_what_a_plain_loop_gives_alone(stop, decode_all):
    token_ids, mask = map(np.asarray, decode_all(*padded_prompts(), [stop]))
    for row, prompt in enumerate(PROMPTS):
        expected = slow_continuation(prompt, [stop])
        answered = np.arange(LENGTH) < len(expected)
        np.testing.assert_array_equal(mask[row], answered)
        np.testing.assert_array_equal(token_ids[row][answered], expected)


@pytest.mark.parametrize("stops", [[], [0, 3], [4, 1, 2]])
def test_a_row_ends_at_the_first_of_several_stop_tokens(stops):
    _, mask = run(*padded_prompts(), stops)
    lengths = [len(slow_continuation(prompt, stops)) for prompt in PROMPTS]
    np.testing.assert_array_equal(np.sum(mask, axis=-1), lengths)


def test_the_toy_rows_end_at_different_places():
    lengths = {
        len(slow_continuation(prompt, [stop]))
        for prompt in PROMPTS
        for stop in range(VOCABULARY_SIZE)
    }
    assert len(lengths) > 4 and LENGTH in lengths


def test_a_full_prompt_comes_back_as_it_is():
    token_ids, _ = padded_prompts()
    mask = np.ones_like(token_ids, "bool")
    result, result_mask = run(token_ids, mask, [4])
    np.testing.assert_array_equal(result, token_ids)
    assert np.all(result_mask)


def test_the_choice_is_told_the_position_it_fills():
    token_ids, mask = padded_prompts()

    def position(logits, index):
        return ops.full_like(logits[:, 0], index)

    result, _ = run(token_ids, mask, [], position)
    expected = np.where(mask, token_ids, np.arange(LENGTH))
    np.testing.assert_array_equal(result, expected)


def test_it_stops_stepping_when_every_row_has_stopped():
    token_ids, mask = padded_prompts()
    visited = []

    def stop_at_once(logits, index):
        show(visited.append, index)
        return ops.full_like(logits[:, 0], 4)

    run(token_ids, mask, [4], stop_at_once)
    wait_for_shown()
    # The longest prompt has five tokens; its stop token stands at index 5.
    assert visited == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("stop_token_ids", [[], [0], [3, 1]])
def test_mask_reaches_the_first_stop_token_behind_the_prompt(stop_token_ids):
    token_ids, prompt_mask = padded_prompts()
    mask = np.asarray(mask_up_to_stop(token_ids, prompt_mask, stop_token_ids))
    for row, prompt in enumerate(PROMPTS):
        stops = (
            i
            for i in range(len(prompt), LENGTH)
            if token_ids[row, i] in stop_token_ids
        )
        last = next(stops, LENGTH - 1)
        np.testing.assert_array_equal(mask[row], np.arange(LENGTH) <= last)


def test_decoding_in_parts_gives_what_one_run_gives():
    token_ids, mask = padded_prompts()
    state = start_decoding(token_ids, mask, token_ids)
    for end in (3, 4, 4, LENGTH):
        state = decode_until(end, next_logits, greedy, state, mask, [2])
    expected, _ = run(token_ids, mask, [2])
    np.testing.assert_array_equal(state.token_ids, expected)


def test_a_part_ends_where_it_is_told_to():
    token_ids, mask = padded_prompts()
    state = start_decoding(token_ids, mask, token_ids)
    state = decode_until(4, next_logits, greedy, state, mask, [])
    assert int(state.index) == 4


def test_a_row_at_its_own_end_waits_for_the_others():
    token_ids = np.full((2, LENGTH), 9, "int32")
    mask = np.arange(LENGTH) < np.array([[2], [2]])
    state = start_decoding(token_ids, mask, (), in_step=False)
    end = np.array([3, 6], "int32")

    def positions(token_ids, cache, index):
        return ops.one_hot(index + np.array([0, 10], "int32"), 20), cache

    # The token 3 would stop the first row, but after its end.
    state = decode_until(end, positions, greedy, state, mask, [3])
    np.testing.assert_array_equal(state.index, end)
    assert not np.any(state.finished)
    expected = token_ids.copy()
    expected[0, 2] = 2
    expected[1, 2:6] = [12, 13, 14, 15]
    np.testing.assert_array_equal(state.token_ids, expected)


def test_stopping_criteria_end_rows_and_see_their_answers_only():
    token_ids, mask = padded_prompts()
    prompt_lengths = [len(prompt) for prompt in PROMPTS]

    def criteria(counts, chosen, is_answer):
        counts += ops.cast(is_answer, "int32")
        return counts, counts >= 2

    counts = ops.zeros((len(PROMPTS),), "int32")
    state = start_decoding(token_ids, mask, token_ids, counts)
    state = decode_until(LENGTH, next_logits, greedy, state, mask, [], criteria)
    expected, _ = run(token_ids, mask, [])
    np.testing.assert_array_equal(state.criteria_state, [2] * len(PROMPTS))
    for row, length in enumerate(prompt_lengths):
        np.testing.assert_array_equal(
            state.token_ids[row][: length + 2], expected[row][: length + 2]
        )


# === Loop state ===


def test_a_function_returns_what_it_would_have_assigned():
    count = keras.Variable([5])

    def add(number):
        count.assign_add([number])
        return count.value * 10

    stateless = without_state(add, [count])
    found, (value,) = stateless((ops.convert_to_tensor([1]),), 2)
    np.testing.assert_array_equal(found, [30])
    np.testing.assert_array_equal(value, [3])
    np.testing.assert_array_equal(count.value, [5])


def test_without_variables_a_function_is_called_as_it_is():
    assert without_state(max, [])((), 2, 3) == (3, ())


@pytest.mark.backend("tensorflow", reason="its loops assign")
def test_tensorflow_s_loops_need_none():
    assert loop_variables([keras.Variable([5])]) == []


def test_a_choice_may_assign_within_a_loop():
    count = keras.Variable([0])

    def choose(logits, index):
        count.assign_add([1])
        return ops.repeat(count.value, 2)

    ids = np.array([[7, 0, 0, 0], [8, 0, 0, 0]], "int32")
    mask = np.arange(4) < np.array([[1], [1]])
    state = decode_until(
        4,
        lambda ids, cache, index: (ops.zeros((2, 9)), cache),
        choose,
        start_decoding(ids, mask, ()),
        mask,
        [],
        variables=[count],
    )
    np.testing.assert_array_equal(state.token_ids[:, 1:], [[1, 2, 3]] * 2)
    np.testing.assert_array_equal(count.value, [3])
