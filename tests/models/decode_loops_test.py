import numpy as np
from keras import ops

from keras_gpt3.generation.decode_loop import start_decoding
from keras_gpt3.models.generate.generate_function import beam_loop
from keras_gpt3.models.generate.generate_function import sampler_loop
from keras_gpt3.models.generate.generate_function import step_loop
from tests.generation.graphs import call
from tests.small_gpt3 import small_model

IDS = np.array([[5, 6, 7, 0, 0, 0, 0], [8, 9, 0, 0, 0, 0, 0]], "int32")
MASK = np.array([[True] * 3 + [False] * 4, [True] * 2 + [False] * 5])
LENGTHS = MASK.sum(axis=1, dtype="int32")


def compiled_model():
    model = small_model()
    model.compile(sampler="greedy")
    return model


def prefilled(model):
    ids = ops.convert_to_tensor(IDS)
    return call(model.backbone.prefill, ids, IDS.shape[1], LENGTHS.min())


def test_all_loops_find_the_greedy_answer():
    model = compiled_model()
    hidden_states, cache = prefilled(model)
    tensors = [ops.convert_to_tensor(x) for x in (IDS, MASK)]
    whole = call(sampler_loop(model, ()), *tensors, hidden_states, cache)
    # One beam is greedy.
    ends = np.full(2, 7, "int32")
    beam = call(beam_loop(model, (), 1, 0.6), *tensors, cache, ends)
    for settings in (None, {"temperature": 0.0}):
        state = start_decoding(*tensors, cache, ops.convert_to_tensor([4, 5]))
        loop = step_loop(model, (), settings)
        state = call(loop, 7, state, tensors[1], {})
        np.testing.assert_array_equal(state.token_ids, whole["token_ids"])
    np.testing.assert_array_equal(beam["token_ids"][:, 0], whole["token_ids"])


def test_rows_end_when_they_have_had_their_tokens():
    model = compiled_model()
    _, cache = prefilled(model)
    tensors = [ops.convert_to_tensor(x) for x in (IDS, MASK)]
    state = start_decoding(*tensors, cache, ops.convert_to_tensor([1, 2]))
    state = call(step_loop(model, ()), 7, state, tensors[1], {})
    # Two tokens for the shorter prompt, one for the other.
    assert int(state.index) == 4
    assert np.asarray(state.finished).all()
