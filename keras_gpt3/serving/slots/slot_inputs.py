"""What `step_slots` and `verify_slots` are called with."""

import numpy as np

from keras_gpt3.serving.slots.slot_answer import SlotRequest

_OPTIONS = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
)
_INTEGERS = ("token_ids", "index", "seed", "prompt_length", "history_length")


def step_inputs(num_read, answers, texts):
    """The inputs of a step of the slots up to the last one.

    `num_read` has the tokens of each slot that has an answer, `answers` those
    that are to go on, and `texts` the token ids of these.
    """
    count = max(num_read) + 1
    inputs = _neutral_inputs(count)
    for slot, number in num_read.items():
        # Others write where their prompt's next part will.
        inputs["index"][slot] = number + 1
    for slot, answer in answers.items():
        inputs["token_ids"][slot] = texts[slot][-1]
        inputs["seed"][slot] = answer.seed
        inputs["prompt_length"][slot] = len(answer.request.token_ids)
        for name in _OPTIONS:
            inputs[name][slot] = getattr(answer.request, name)
    return inputs | _histories(count, answers, texts) | _biases(count, answers)


def _neutral_inputs(count):
    """The inputs of a step for slots that have nothing to say."""
    inputs = {name: np.zeros(count, "int32") for name in _INTEGERS}
    inputs["index"] += 1
    neutral = SlotRequest([], 0, temperature=0.0)
    for name in _OPTIONS:
        value = getattr(neutral, name)
        dtype = "int32" if name == "top_k" else "float32"
        inputs[name] = np.full(count, value, dtype)
    return inputs


def _histories(count, answers, texts):
    """The tokens so far of the answers whose penalties need them."""
    needed = {
        slot: texts[slot]
        for slot, answer in answers.items()
        if answer.request.has_penalty
    }
    lengths = np.zeros(count, "int32")
    for slot, ids in needed.items():
        lengths[slot] = len(ids)
    history = np.zeros((count, lengths.max(initial=0)), "int32")
    for slot, ids in needed.items():
        history[slot, : lengths[slot]] = ids
    return {"history": history, "history_length": lengths}


def _biases(count, answers):
    """The biases of all answers, padded by those that add nothing."""
    pairs = {slot: x.request.logit_bias for slot, x in answers.items()}
    most = max(map(len, pairs.values()))
    ids = np.zeros((count, most), "int32")
    biases = np.zeros((count, most), "float32")
    for slot, row in pairs.items():
        for i, (token_id, bias) in enumerate(row):
            ids[slot, i], biases[slot, i] = token_id, bias
    return {"bias_token_ids": ids, "biases": biases}
