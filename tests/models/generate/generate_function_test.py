import keras_hub
import numpy as np
import pytest
from keras import ops

from keras_gpt3.generation import SeededSampler
from keras_gpt3.generation.decode_loop import start_decoding
from keras_gpt3.models.generate import generate_function
from keras_gpt3.models.generate.generate_function import beam_loop
from keras_gpt3.models.generate.generate_function import sampler_loop
from keras_gpt3.models.generate.generate_function import step_loop
from keras_gpt3.ops.op_compilation import as_graph
from tests.generation.graphs import call
from tests.models.whole_pass import whole_pass
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_model

# === Generate function ===


LENGTH = 40  # Ten windows of the small model's banded layer.


def long_model(sampler="greedy", **overrides):
    model = small_model(max_sequence_length=LENGTH, **overrides)
    # Larger weights, so that what is generated varies.
    rng = np.random.default_rng(0)
    model.set_weights(
        [w + rng.normal(0, 0.3, w.shape) for w in model.get_weights()]
    )
    model.compile(sampler=sampler)
    return model


def prompts(*lengths):
    """Right-padded random prompts of some lengths."""
    ids = np.random.default_rng(1).integers(1, 60, (len(lengths), LENGTH))
    mask = np.arange(LENGTH) < np.array(lengths)[:, None]
    return {"token_ids": np.where(mask, ids, 0), "padding_mask": mask}


def slow_greedy(model, inputs):
    """Every position by a full forward pass over all that stands before it."""
    ids, mask = np.array(inputs["token_ids"]), inputs["padding_mask"]
    for index in range(1, LENGTH):
        logits = whole_pass(model, ids[:, :index])[:, -1]
        ids[:, index] = np.where(
            mask[:, index], ids[:, index], logits.argmax(-1)
        )
    return ids


@pytest.mark.parametrize("lengths", [(1,), (7,), (3, 30, 33)])
@pytest.mark.quick_cases(1)
def test_greedy_tokens_are_those_of_full_forward_passes(lengths):
    model, inputs = long_model(), prompts(*lengths)
    answer = model.generate(inputs, stop_token_ids=None)
    np.testing.assert_array_equal(
        answer["token_ids"], slow_greedy(model, inputs)
    )
    assert len(np.unique(answer["token_ids"])) > 5


@pytest.mark.slow
@pytest.mark.parametrize(
    "sampler", ["greedy", "top_k", "top_p", "random", "beam", "contrastive"]
)
def test_all_samplers_of_keras_hub_run_in_the_loop(sampler):
    model, inputs = long_model(sampler), prompts(2, 5)
    answer = model.generate(inputs, stop_token_ids=None)["token_ids"]
    mask = inputs["padding_mask"]
    np.testing.assert_array_equal(answer[mask], inputs["token_ids"][mask])


@pytest.mark.backend(
    "tensorflow", "jax", reason="PyTorch runs all as it comes."
)
def test_prompts_of_one_bucket_are_traced_and_compiled_once(monkeypatch):
    traces = []
    real = generate_function.decode_until
    monkeypatch.setattr(
        generate_function,
        "decode_until",
        lambda *args: (traces.append("loop"), real(*args))[1],
    )
    model = long_model(SeededSampler())
    prefill = model.backbone.prefill
    monkeypatch.setattr(
        model.backbone,
        "prefill",
        lambda *args, **kwargs: (
            traces.append("prefill"),
            prefill(*args, **kwargs),
        )[1],
    )
    for length in (3, 9, 32, 1):
        model.generate(prompts(length), stop_token_ids=None)
    assert traces == ["prefill", "loop"]
    # Beyond the bucket the prompts' pass is traced again, the loop is not.
    model.generate(prompts(35), stop_token_ids=None)
    assert traces == ["prefill", "loop", "prefill"]


@pytest.mark.slow
def test_a_quantized_model_is_traced_anew():
    model, inputs = long_model(), prompts(4)
    model.generate(inputs, stop_token_ids=None)
    quantize(model, mode="int8")
    received = model.generate(inputs, stop_token_ids=None)["token_ids"]
    # One graph without a part that was there before.
    whole = as_graph(model.generate_step, model.backbone.variables)
    fresh = whole({k: ops.convert_to_tensor(v) for k, v in inputs.items()})
    np.testing.assert_array_equal(received, fresh["token_ids"])


def test_weights_changed_later_are_read_without_another_trace():
    model, inputs = long_model(), prompts(3)
    before = model.generate(inputs, stop_token_ids=None)["token_ids"]
    traces = dict(model.decode_graphs().traces)
    table = model.backbone.position_embedding.table.embeddings
    table.assign(ops.convert_to_numpy(table)[::-1].copy())
    after = model.generate(inputs, stop_token_ids=None)["token_ids"]
    assert model.decode_graphs().traces == traces
    np.testing.assert_array_equal(after, slow_greedy(model, inputs))
    assert (before != after).any()


# === Generators of random samplers ===


def drawn(model, sampler, eagerly=False):
    """Three answers, one after the other."""
    model.compile(sampler=sampler, run_eagerly=eagerly)
    return [model.generate(prompts(36))["token_ids"] for _ in range(3)]


def test_a_generator_moves_on_from_answer_to_answer():
    model = long_model()
    sampler = keras_hub.samplers.TopKSampler(k=50, seed=5)
    first, second, third = drawn(model, sampler)
    assert (first != second).any() and (second != third).any()
    state = np.array(sampler.variables[0].value)
    again = keras_hub.samplers.TopKSampler(k=50, seed=5)
    np.testing.assert_array_equal(drawn(model, again), [first, second, third])
    np.testing.assert_array_equal(again.variables[0].value, state)


@pytest.mark.backend("jax", reason="XLA draws otherwise than TensorFlow")
def test_eager_answers_draw_the_same():
    model = long_model()
    compiled, eager = (
        drawn(model, keras_hub.samplers.RandomSampler(seed=5), eagerly)
        for eagerly in (False, True)
    )
    np.testing.assert_array_equal(compiled, eager)


@pytest.mark.backend("tensorflow", reason="JAX compiles by XLA alone")
@pytest.mark.parametrize(
    ("dtype", "rows", "in_xla"),
    [
        ("float32", 2, True),
        ("bfloat16", 1, True),
        # XLA would convert the cache at each token.
        ("bfloat16", 2, False),
    ],
)
@pytest.mark.quick_cases(1)
def test_the_loop_is_compiled_as_is_best_for_dtype_and_rows(
    dtype, rows, in_xla
):
    model = small_model(max_sequence_length=LENGTH, dtype=dtype)
    model.compile(sampler="greedy")
    graphs = model.decode_graphs()
    model.generate(prompts(*[3] * rows), stop_token_ids=None)
    loops = [key for key in graphs.traces if key[0] == "loop"]
    assert [key[1] for key in loops] == [in_xla]


# === Decode loops ===


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
        state = call(loop, 7, state, tensors[1], {}, 2)
        np.testing.assert_array_equal(state.token_ids, whole["token_ids"])
    np.testing.assert_array_equal(beam["token_ids"][:, 0], whole["token_ids"])


def test_rows_end_when_they_have_had_their_tokens():
    model = compiled_model()
    _, cache = prefilled(model)
    tensors = [ops.convert_to_tensor(x) for x in (IDS, MASK)]
    state = start_decoding(*tensors, cache, ops.convert_to_tensor([1, 2]))
    state = call(step_loop(model, ()), 7, state, tensors[1], {}, 2)
    # Two tokens for the shorter prompt, one for the other.
    assert int(state.index) == 4
    assert np.asarray(state.finished).all()
