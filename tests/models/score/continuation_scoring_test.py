import re

import keras
import numpy as np
import pytest
from keras import ops

from keras_gpt3.models.score import continuation_scoring
from keras_gpt3.models.score.continuation_scoring import ContinuationScore
from keras_gpt3.models.score.continuation_scoring import head_scores
from keras_gpt3.models.score.continuation_scoring import hidden_states
from keras_gpt3.ops.op_compilation import CompiledFunctions
from tests.models.whole_pass import whole_pass
from tests.small_gpt3 import SMALL
from tests.small_gpt3 import quantize
from tests.small_gpt3 import small_backbone
from tests.small_gpt3 import small_batch
from tests.small_gpt3 import small_model
from tests.small_gpt3 import small_text_model

# === Continuation scoring ===


# Of all lengths that fit a window of 12, and one token more; continuations of
# one token, and contexts of one.
PAIRS = [
    ([5, 6, 7], [8, 9]),
    ([1], [2]),
    ([4, 60, 2, 9, 0, 33, 8, 1], [3, 3, 3, 12, 0]),
    ([7], [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]),
    ([9, 8, 7, 6, 5, 4, 3], [2]),
]
CONTEXTS, CONTINUATIONS = zip(*PAIRS, strict=True)


def sharp(model):
    """Makes the logits differ by more than rounding does."""
    table = model.backbone.token_embedding
    table.set_weights([20.0 * w for w in table.get_weights()])
    return model


@pytest.fixture(scope="module")
def model():
    return sharp(small_model())


def slow_score(model, context, continuation, top_n=0):
    """All logits of one unpadded row, in float64."""
    row = np.array([[*context, *continuation[:-1]]])
    logits = whole_pass(model, row)[0, len(context) - 1 :].astype("float64")
    log_softmax = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
    best = np.argsort(-logits, kind="stable")
    places = range(len(continuation))
    each = [log_softmax[i, continuation[i]] for i in places]
    return ContinuationScore(
        sum(each),
        all(best[i, 0] == continuation[i] for i in places),
        tuple(continuation),
        tuple(each),
        *(
            [
                tuple(tuple(best[i, :top_n]) for i in places),
                tuple(tuple(log_softmax[i, best[i, :top_n]]) for i in places),
            ]
            if top_n
            else []
        ),
    )


def assert_equal(received, expected, atol=2e-5):
    assert isinstance(received, ContinuationScore)
    assert received.is_greedy is bool(expected.is_greedy)
    assert received.token_ids == expected.token_ids
    assert received.top_token_ids == expected.top_token_ids
    for name in (
        "log_likelihood",
        "token_log_probabilities",
        "top_log_probabilities",
    ):
        # float32 through two layers, whose products depend on the padding.
        np.testing.assert_allclose(
            getattr(received, name), getattr(expected, name), atol=atol
        )


@pytest.mark.parametrize("batch_size", [1, 3, 8])
@pytest.mark.parametrize("top_n", [0, 2])
@pytest.mark.quick_cases(2)
def test_equals_the_softmax_of_all_logits_of_each_row(top_n, batch_size, model):
    received = model.score(
        CONTEXTS, CONTINUATIONS, top_n=top_n, batch_size=batch_size
    )
    for score, pair in zip(received, PAIRS, strict=True):
        assert_equal(score, slow_score(model, *pair, top_n))


def test_in_bfloat16_it_equals_the_softmax_of_the_model_s_logits():
    model = sharp(small_model(num_layers=1, dtype="mixed_bfloat16"))
    received = model.score(*PAIRS[2])
    # The logits, up to 10, have 8 bits.
    assert_equal(received, slow_score(model, *PAIRS[2]), atol=0.3)


def test_a_row_s_score_is_the_one_it_gets_alone(model):
    together = model.score(CONTEXTS, CONTINUATIONS, top_n=3)
    for score, pair in zip(together, PAIRS, strict=True):
        assert_equal(score, model.score(*pair, top_n=3))


def test_one_context_is_shared_by_many_continuations(model):
    received = model.score([5, 6], [[1], [2, 3]])
    assert received == model.score([[5, 6], [5, 6]], [[1], [2, 3]])


def test_what_greedy_decoding_gives_is_greedy_and_the_first_alternative(model):
    context, continuation = [5, 6], []
    for _ in range(3):
        row = np.array([context + continuation])
        continuation.append(int(np.argmax(whole_pass(model, row)[0, -1])))
    greedy, other = model.score(
        context, [continuation, [*continuation[:2], 0]], top_n=1
    )
    assert greedy.is_greedy
    assert [ids[0] for ids in greedy.top_token_ids] == continuation
    assert greedy.top_log_probabilities == tuple(
        (x,) for x in greedy.token_log_probabilities
    )
    assert continuation[-1] != 0
    assert not other.is_greedy


def test_texts_score_as_their_ids():
    model = small_text_model(num_layers=1)
    tokenize = model.preprocessor.tokenizer.tokenize
    texts = ["", "hello"], [" the", " world"]
    received = model.score(*texts)
    ids = [[271], tokenize("hello")], tokenize(texts[1])
    assert received == model.score(*ids)
    assert model.score("hello", " world").token_ids == tuple(ids[1][1])


@pytest.mark.parametrize("change", ["quantized", "low rank"])
def test_a_changed_model_is_scored_as_it_is(change):
    model = sharp(small_model(num_layers=1))
    before = model.score(*PAIRS[0])
    if change == "quantized":
        quantize(model, mode="int8")
    else:
        model.backbone.token_embedding.enable_lora(2)
        names = ["lora_embeddings_a", "lora_embeddings_b"]
        for name in names:
            weight = getattr(model.backbone.token_embedding, name)
            weight.assign(np.ones(weight.shape))
    received = model.score(*PAIRS[0], top_n=2)
    assert_equal(received, slow_score(model, *PAIRS[0], top_n=2))
    assert received.log_likelihood != before.log_likelihood


def test_a_long_context_loses_its_first_tokens_if_asked(model):
    context = list(range(20))
    received = model.score(context, [7, 8], truncate="left")
    assert received == model.score(context[-11:], [7, 8])
    with pytest.raises(ValueError, match="^context and continuation must have"):
        model.score(context, [7, 8])


# === Shapes ===


def test_batches_have_a_few_shapes_and_rows_of_like_length(monkeypatch):
    model = small_model(num_layers=1, max_sequence_length=40)
    shapes = []
    padded = continuation_scoring._padded

    def record(pairs, *shape):
        shapes.append(shape)
        return padded(pairs, *shape)

    monkeypatch.setattr(continuation_scoring, "_padded", record)
    contexts = [[1] * n for n in (3, 30, 3, 30, 20, 3, 3)]
    received = model.score(contexts, [[2]] * 7, batch_size=4)
    # Long ones together and first; three rows are padded to four.
    assert shapes == [(4, 32), (4, 16)]
    for score, context in zip(received, contexts, strict=True):
        assert_equal(score, slow_score(model, context, [2]))


# === What is refused ===


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"batch_size": 0},
            "batch_size must be an integer of at least 1. Received: "
            "batch_size=0. Pass 1 or more.",
        ),
        (
            {"top_n": -1},
            "top_n must be an integer of at least 0. Received: top_n=-1. Pass "
            "0 or more.",
        ),
        (
            {"top_n": 62},
            f"top_n must be at most vocabulary_size={SMALL['vocabulary_size']}."
            " Received: top_n=62. Request fewer alternatives.",
        ),
        (
            {"scoring_mode": "loss"},
            "scoring_mode must be left out where continuations are scored. "
            "Received: scoring_mode of type str. See GPT3.score for the "
            "arguments of its two forms.",
        ),
    ],
)
def test_wrong_arguments_raise(arguments, message, model):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        model.score([1], [2], **arguments)


# === Forward graphs ===


class CountedBackbone:
    """Doubles ids, and counts how often Python is asked to."""

    def __init__(self):
        self.variables = [keras.Variable(np.int32(x)) for x in (2, 0)]
        self.calls = 0

    def __call__(self, inputs, training):
        assert training is False
        self.calls += 1
        return inputs["token_ids"] * self.variables[0].value


def ids(rows, length):
    return {
        "token_ids": np.full((rows, length), 3, "int32"),
        "padding_mask": np.ones((rows, length), "bool"),
    }


@pytest.mark.parametrize("training", [None, True])
def test_gives_the_hidden_states_without_dropout(training):
    backbone = small_backbone(num_layers=1, dropout=0.5)
    x, _ = small_batch()
    received = hidden_states(CompiledFunctions(), backbone, x)
    np.testing.assert_allclose(received, backbone(x), atol=1e-5)
    changed = np.asarray(backbone(x, training=training))
    assert np.allclose(received, changed, atol=1e-5) is (training is None)


def test_traces_once_for_each_shape():
    backbone, graphs = CountedBackbone(), CompiledFunctions()
    for _ in range(2):
        for shape in [(1, 4), (2, 4), (1, 8)]:
            received = hidden_states(graphs, backbone, ids(*shape))
            np.testing.assert_array_equal(received, np.full(shape, 6))
    assert backbone.calls == 3


def test_an_assigned_weight_is_read_without_another_trace():
    backbone, graphs = CountedBackbone(), CompiledFunctions()
    hidden_states(graphs, backbone, ids(1, 4))
    backbone.variables[0].assign(5)
    np.testing.assert_array_equal(
        hidden_states(graphs, backbone, ids(1, 4)), [[15] * 4]
    )
    assert backbone.calls == 1


@pytest.mark.parametrize("place", [0, 1])
def test_another_variable_is_traced_anew(place):
    backbone, graphs = CountedBackbone(), CompiledFunctions()
    hidden_states(graphs, backbone, ids(1, 4))
    backbone.variables[place] = keras.Variable(np.int32(4))
    received = hidden_states(graphs, backbone, ids(1, 4))
    expected = 12 if place == 0 else 6
    np.testing.assert_array_equal(received, [[expected] * 4])
    assert backbone.calls == 2


# === Head scores ===


STATES = np.random.default_rng(0).normal(size=(2, 30, 16)).astype("float32")


def slow_scores(backbone, places, token_ids):
    """From the logits of all states."""
    states = ops.convert_to_tensor(STATES.reshape(1, -1, 16)[:, places])
    logits = np.asarray(backbone.logits(states), "float64")[0]
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    probabilities = exponents / exponents.sum(-1, keepdims=True)
    chosen = np.take_along_axis(probabilities, token_ids[:, None], axis=-1)
    return np.log(chosen[:, 0]), logits.argmax(-1) == token_ids


def check(graphs, backbone, count):
    generator = np.random.default_rng(count)
    places = generator.integers(0, 60, count).astype("int32")
    token_ids = generator.integers(0, 61, count)
    received = head_scores(graphs, backbone, STATES, places, token_ids, 0)
    expected, is_highest = slow_scores(backbone, places, token_ids)
    # float32 products of 16 terms.
    np.testing.assert_allclose(received[0], expected, atol=1e-5)
    np.testing.assert_array_equal(received[1], is_highest)


@pytest.mark.parametrize("count", [1, 31, 32, 33, 60, 70])
def test_equals_the_softmax_of_the_logits_whatever_the_number(count):
    check(CompiledFunctions(), small_backbone(num_layers=1), count)


def test_weights_changed_later_and_other_ones_are_read():
    graphs, model = CompiledFunctions(), small_model(num_layers=1)
    check(graphs, model.backbone, 3)
    table = model.backbone.token_embedding.embeddings
    table.assign(np.array(table.value)[::-1])
    check(graphs, model.backbone, 3)
    quantize(model, mode="int8")
    check(graphs, model.backbone, 3)


@pytest.mark.parametrize("top_n", [1, 4])
def test_alternatives_come_with_their_probabilities(top_n):
    backbone = small_backbone(num_layers=1)
    places = np.array([0, 59], "int32")
    _, _, ids, found = head_scores(
        CompiledFunctions(), backbone, STATES, places, [3, 4], top_n
    )
    assert ids.shape == (2, top_n)
    for column in range(top_n):
        expected, _ = slow_scores(backbone, places, ids[:, column])
        np.testing.assert_allclose(found[:, column], expected, atol=1e-5)


def test_a_model_forgets_its_compiled_functions_with_its_graphs():
    model = small_model(num_layers=1)
    model.score([1, 2], [3])
    scoring, generating = model._score_graphs, model.decode_graphs()
    model.forget_graphs()
    model.score([1, 2], [3])
    assert model._score_graphs is not scoring
    assert model.decode_graphs() is not generating
