"""The signatures of slots: calls of a traced export, beside whole passes."""

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.export.slot_signatures import SlotSignatures
from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.ops.op_compilation import op_compilation
from tests.export.exported_models import CONTEXT
from tests.export.exported_models import make_model

VOCABULARY_SIZE = 60
PROMPTS = ([3, 4], [9, 8, 7, 6, 5, 4, 3, 2, 1], [11, 12, 13, 14, 15])


class Slots:
    """Calls of the signatures, with what changes nothing filled in."""

    def __init__(self, backbone):
        self.backbone = backbone
        signatures = SlotSignatures(backbone, num_known=VOCABULARY_SIZE - 2)
        self.rings = signatures.rings
        with op_compilation(False):
            self._functions = {
                name: tf.function(function, specs, autograph=False)
                for name, (function, specs) in signatures.endpoints().items()
            }
            for function in self._functions.values():
                function.get_concrete_function()

    def call(self, name, *inputs):
        specs = self._functions[name].input_signature
        tensors = map(tf.constant, inputs, (spec.dtype for spec in specs))
        with one_line_errors():
            return self._functions[name](*tensors)

    def resize(self, num_slots, length=CONTEXT, spare=0):
        self.call("resize_slots", num_slots, length, spare)

    def read(self, slot, token_ids, index=0):
        return self.call("read_into_slot", slot, index, token_ids)

    def step(self, token_ids, index, num_top=-1, **options):
        options["num_top"] = num_top
        return self._choose("step_slots", token_ids, index, options)

    def verify(self, token_ids, index, **options):
        options["num_drafts"] = [len(ids) - 1 for ids in token_ids]
        return self._choose("verify_slots", token_ids, index, options)

    def _choose(self, name, token_ids, index, options):
        count = len(token_ids)
        names = [spec.name for spec in self._functions[name].input_signature]
        inputs = dict.fromkeys(names, np.zeros(count))
        inputs |= {"top_p": np.ones(count)}
        inputs |= {"repetition_penalty": np.ones(count)}
        empty = np.zeros((count, 0))
        inputs |= dict.fromkeys(("history", "bias_token_ids", "biases"), empty)
        inputs |= {"token_ids": token_ids, "index": index} | options
        return self.call(name, *(inputs[name] for name in names))


@pytest.fixture(scope="module")
def slots():
    return Slots(make_model().backbone)


def all_logits_after(backbone, token_ids):
    """The scores of the next token, by a pass over all tokens."""
    ids = np.array([token_ids], "int32")
    inputs = {"token_ids": ids, "padding_mask": np.ones_like(ids, bool)}
    return np.array(backbone.logits(backbone(inputs))[0, -1], "float64")


def logits_after(backbone, token_ids):
    """Those of ids that have a text."""
    return all_logits_after(backbone, token_ids)[: VOCABULARY_SIZE - 2]


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum())


def fill(slots, prompts=PROMPTS, **size):
    """Slots with all but the last token of prompts, read in two parts."""
    slots.resize(0, 0)
    slots.resize(len(prompts), **size)
    for slot, prompt in enumerate(prompts):
        half = len(prompt) // 2
        slots.read(slot, prompt[:half])
        if prompt[half:-1]:
            slots.read(slot, prompt[half:-1], half)
    return [list(prompt) for prompt in prompts]


def advance(slots, rows, count, **options):
    """Greedy tokens, checked against passes over each row alone."""
    for _ in range(count):
        answer = slots.step(
            [row[-1] for row in rows], [len(row) for row in rows], **options
        )
        for row, token in zip(rows, answer["token_ids"].numpy(), strict=True):
            expected = logits_after(slots.backbone, row)
            assert token == expected.argmax()
            row.append(int(token))


@pytest.mark.parametrize("spare", [0, 3])
def test_each_slot_continues_as_its_row_would_alone(slots, spare):
    advance(slots, fill(slots, spare=spare), 14)


def test_slots_are_made_longer_and_more_while_they_hold_rows(slots):
    rows = fill(slots, length=12)
    advance(slots, rows, 3)
    slots.resize(5, CONTEXT)
    advance(slots, rows, 8)
    slots.resize(3, 21)
    advance(slots, rows, 1)


def test_the_first_slots_advance_without_the_others(slots):
    rows = fill(slots)
    advance(slots, rows[:1], 5)
    advance(slots, rows, 4)


def test_a_slot_that_waits_is_not_disturbed(slots):
    rows = fill(slots)
    # As the engine does for a prompt of which a part is read: the position is
    # that of the next part.
    slots.step([1, 0, 0], [5, len(rows[1]), len(rows[2])])
    answer = slots.step(
        [0, rows[1][-1], rows[2][-1]], [1, len(rows[1]), len(rows[2])]
    )
    for row in (1, 2):
        expected = logits_after(slots.backbone, rows[row]).argmax()
        assert answer["token_ids"][row] == expected


def test_keys_and_values_of_a_slot_serve_another(slots):
    prompt = PROMPTS[1]
    fill(slots, [prompt] * 2)
    part = slots.read(0, prompt[:6])
    assert part["keys"].shape == (2, 6, 2, 8)
    slots.resize(0, 0)
    slots.resize(2)
    slots.call("fill_slot", 1, 0, part["keys"], part["values"])
    slots.read(1, prompt[6:-1], 6)
    answer = slots.step([0, prompt[-1]], [1, len(prompt)])
    expected = logits_after(slots.backbone, prompt)
    assert answer["token_ids"][1] == expected.argmax()


def test_log_probabilities_are_those_of_the_model(slots):
    rows = fill(slots)
    answer = slots.step(
        [row[-1] for row in rows], list(map(len, rows)), num_top=3
    )
    for i, row in enumerate(rows):
        # The others have probabilities as well, as for `score_tokens`.
        logs = log_softmax(all_logits_after(slots.backbone, row))
        logs = logs[: VOCABULARY_SIZE - 2]
        best = np.argsort(-logs, kind="stable")[:3]
        np.testing.assert_array_equal(answer["top_token_ids"][i], best)
        np.testing.assert_allclose(
            answer["top_log_probabilities"][i], logs[best], atol=1e-5
        )
        np.testing.assert_allclose(
            answer["log_probabilities"][i], logs[best[0]], atol=1e-5
        )
    without = slots.step([row[-1] for row in rows], list(map(len, rows)))
    assert without["top_token_ids"].shape == (3, 0)


def test_penalties_and_biases_are_each_slots_own(slots):
    rows = fill(slots)
    logits = [logits_after(slots.backbone, row) for row in rows]
    best = [int(x.argmax()) for x in logits]
    ids, index = [row[-1] for row in rows], list(map(len, rows))
    options = {
        # The first slot's best token has occurred in its answer.
        "history": [[3, best[0]], [0, 0], [0, 0]],
        "history_length": [2, 0, 0],
        "prompt_length": [1, 0, 0],
        "presence_penalty": [2.0, 0.0, 0.0],
        "bias_token_ids": [[0, 0], [best[1], 20], [0, 0]],
        "biases": [[0.0, 0.0], [-50.0, 50.0], [0.0, 0.0]],
    }
    found = slots.step(ids, index, **options)["token_ids"].numpy()
    logits[0][best[0]] -= 2
    assert found.tolist() == [logits[0].argmax(), 20, best[2]]


def test_biases_come_before_penalties(slots):
    """As in `penalized_scores`, which a live model calls."""
    (row,) = fill(slots, PROMPTS[2:])
    logits = logits_after(slots.backbone, row)
    token = int(logits.argmin())
    # (score + bias) / 4, just below the best; score / 4 + bias is far above.
    bias = 4 * (logits.max() - 0.01) - logits[token]
    options = {
        "history": [[token]],
        "history_length": [1],
        "prompt_length": [1],
        "repetition_penalty": [4.0],
        "bias_token_ids": [[token]],
        "biases": [[bias]],
    }
    found = slots.step([row[-1]], [len(row)], **options)["token_ids"]
    assert logits.max() > 0 and found.numpy() == [logits.argmax()]


@pytest.mark.parametrize("history", [[], [11, 12, 13, 14, 15]])
def test_wrong_drafts_leave_nothing_behind(slots, history):
    """Those of each pass lie in a ring that has come round."""
    spare = 3
    (row,) = fill(slots, [PROMPTS[1]], spare=spare)
    options = {"history": [history], "history_length": [len(history)]}
    options |= {"presence_penalty": [0.5], "prompt_length": [0]}
    for number in range(8):
        expected, text = [], list(row)
        for _ in range(spare + 1):
            logits = logits_after(slots.backbone, text)
            logits[list(set(history))] -= 0.5
            expected.append(int(logits.argmax()))
            text.append(expected[-1])
            if history:
                break
        right = 0 if history else number % (spare + 1)
        drafts = [*expected[:right], *[(x + 1) % 50 for x in expected[right:]]]
        drafts = (drafts + [1] * spare)[:spare]
        answer = slots.verify([[row[-1], *drafts]], [len(row)], **options)
        accepted = int(answer["num_accepted"][0])
        assert accepted == right
        chosen = answer["token_ids"].numpy()[0, : right + 1].tolist()
        assert chosen == expected[: right + 1]
        row += chosen
        if len(row) + spare >= CONTEXT:
            break
    assert len(row) > len(PROMPTS[1]) + 4


def test_drafts_may_be_none(slots):
    (row,) = fill(slots, PROMPTS[2:])
    options = {"history": [row], "history_length": [len(row)]}
    answer = slots.verify([[row[-1]]], [len(row)], **options)
    assert answer["num_accepted"].numpy() == [0]
    expected = logits_after(slots.backbone, row).argmax()
    assert answer["token_ids"].numpy() == [[expected]]


def test_more_drafts_than_spare_places_are_refused(slots):
    (row,) = fill(slots, [PROMPTS[1]], spare=2)
    with pytest.raises(ValueError, match="^Drafts must be .* drafts=3. Make"):
        slots.verify([[row[-1], 1, 2, 3]], [len(row)])
    advance(slots, [row], 4)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((3, CONTEXT, 2), "spare must stay the same .* Received: spare=2. Res"),
        ((3, CONTEXT + 1, 1), "length must be at most max_sequence_length=24."),
    ],
)
def test_a_size_that_would_lose_something_is_refused(slots, size, message):
    rows = fill(slots, spare=1)
    with pytest.raises(ValueError, match=f"^{message}"):
        slots.resize(*size)
    advance(slots, rows, 2)


@pytest.mark.parametrize(
    "name, inputs, message",
    [
        (
            "read_into_slot",
            (3, 0, [1]),
            "A slot must be one that resize_slots made. Received: slot=3. "
            "Make more of them first.",
        ),
        (
            "read_into_slot",
            (0, 22, [1, 2, 3]),
            "Positions must be within the length of resize_slots. Received: "
            "end=25. Make the slots longer first.",
        ),
        (
            "fill_slot",
            (0, 23, np.zeros((2, 2, 2, 8)), np.zeros((2, 2, 2, 8))),
            "Positions must be within the length of resize_slots. Received: "
            "end=25. Make the slots longer first.",
        ),
        (
            "read_into_slot",
            (0, 0, []),
            "token_ids must have at least one token. Received: length=0. Leave "
            "the call out for none.",
        ),
        (
            "read_into_slot",
            (0, 0, [60]),
            "token_ids must be from 0 to below vocabulary_size=60. ",
        ),
    ],
)
def test_a_place_that_is_not_there_is_refused(slots, name, inputs, message):
    rows = fill(slots)
    with pytest.raises(ValueError, match=f"^{message}"):
        slots.call(name, *inputs)
    # Nothing was written.
    advance(slots, rows, 2)


def test_rings_are_written_where_they_lie(slots):
    fill(slots)
    ring = slots.rings[0][0]
    held = ring.read_value()
    slots.read(0, [5], 20)
    # Who holds the tensor sees what was written: no copy was made.
    assert np.any(held[0, :, 20].numpy() != 0)
