"""Drafts of the next tokens of answers in slots, and where they pay."""

import numpy as np

from keras_gpt3.generation.drafters import FIRST_PAUSE_OF_A_MODEL
from keras_gpt3.generation.drafters import half_up
from keras_gpt3.generation.speculative_decoding import LONGEST_PAUSE
from keras_gpt3.serving.slots.slot_inputs import step_inputs

# Tokens that a draft model reads of a prompt between two steps.
_TOKENS_A_STEP = 256


class PromptDrafts:
    """Drafts what followed the last tokens when they occurred before.

    As `PromptLookup` does in a graph.
    """

    cache_bytes = 0  # It has no cache.
    first_pause = 1

    def most(self, most, rows):
        """How many drafts of an answer are to be checked."""
        return most

    def fewest_accepted(self, num_drafts):
        """How many must be accepted for drafts to pay."""
        # A pass of several tokens takes less than two passes.
        return min(num_drafts, 1)

    def resize(self, inputs):
        """Have as many slots as the model."""

    def propose(self, rows, wanted):
        """As many drafts as are wanted of each slot, or none."""
        return {
            slot: looked_up(rows[slot].token_ids, count)
            for slot, count in wanted.items()
        }

    def settle(self, rows):
        """Forget what has not become part of the answers."""


def looked_up(token_ids, count):
    """The tokens after the latest earlier place of the last three, or two."""
    ids = np.array(token_ids)
    size = len(ids)
    for length in (3, 2):
        if size <= length or count < 1:
            continue
        matches = np.ones(size - length, "bool")
        for place in range(length):
            earlier = ids[place : size - length + place]
            matches &= earlier == ids[size - length + place]
        found = np.flatnonzero(matches)
        if len(found):
            start = found[-1] + length
            # The answer so far ends before the draft where it repeats itself.
            places = start + np.arange(count) % (size - start)
            return ids[places].tolist()
    return []


class ModelDrafts:
    """Drafts what a smaller export chooses, with the same options and seeds.

    As `DraftModel` does in a graph.
    """

    first_pause = FIRST_PAUSE_OF_A_MODEL

    def __init__(self, draft, model):
        self._draft = draft
        _check_draft(draft, model)
        self.cache_bytes = draft.cache_bytes
        # By slot: its answer, and the tokens of it that are in the slot.
        self._read = {}

    def fewest_accepted(self, num_drafts):
        """How many must be accepted for drafts to pay."""
        return half_up(num_drafts)

    def most(self, most, rows):
        """How many drafts of an answer are to be checked."""
        pauses = [row.next_pause for row in rows.values()]
        was_good = min(pauses) < self.first_pause
        return most if was_good else half_up(most)

    def resize(self, inputs):
        """Have as many slots as the model."""
        self._draft.call_on_tensors("resize_slots", inputs)

    def propose(self, rows, wanted):
        """As many drafts as are wanted of each slot, or none."""
        # A slot may have got another answer.
        self._read = {
            slot: self._read[slot]
            if slot in self._read and self._read[slot][0] is row
            else (row, 0)
            for slot, row in rows.items()
        }
        for slot in wanted:
            self._read_prompt(slot)
        ready = [s for s in wanted if self._num_missing(s) == 0]
        texts = {slot: list(rows[slot].token_ids) for slot in ready}
        ends = {slot: len(texts[slot]) + wanted[slot] for slot in ready}
        while going := [s for s in ready if len(texts[s]) < ends[s]]:
            self._step({slot: rows[slot] for slot in going}, texts)
        return {
            slot: texts[slot][len(rows[slot].token_ids) :]
            if slot in texts
            else []
            for slot in wanted
        }

    def settle(self, rows):
        """Forget what has not become part of the answers."""
        for slot, row in rows.items():
            known, number = self._read.get(slot, (None, 0))
            if known is row:
                self._read[slot] = row, min(number, row.num_read)

    def _num_missing(self, slot):
        row, number = self._read[slot]
        return len(row.token_ids) - 1 - number

    def _read_prompt(self, slot):
        """Read a part of what the slot lacks, as others wait."""
        if self._num_missing(slot) == 0:
            return
        row, start = self._read[slot]
        end = min(len(row.token_ids) - 1, start + _TOKENS_A_STEP)
        part = np.array(row.token_ids[start:end], "int32")
        inputs = {"slot": slot, "index": start, "token_ids": part}
        self._draft.call_on_tensors("read_into_slot", inputs)
        self._read[slot] = row, end

    def _step(self, answers, texts):
        """Add a token to some texts."""
        num_read = {slot: number for slot, (_, number) in self._read.items()}
        inputs = step_inputs(num_read, answers, texts) | {"num_top": -1}
        chosen = self._draft.call_on_tensors("step_slots", inputs)
        chosen = chosen["token_ids"].numpy()
        for slot, answer in answers.items():
            texts[slot].append(int(chosen[slot]))
            self._read[slot] = answer, num_read[slot] + 1


def _check_draft(draft, model):
    if not (draft.token_bytes and model.token_bytes):
        raise ValueError(
            "draft and the model must continue texts. Received: an export "
            "without a tokenizer. Export both with their preprocessors."
        )
    if draft.token_bytes != model.token_bytes:
        raise ValueError(
            "draft must have the model's vocabulary. Received: a vocabulary of "
            f"{len(draft.token_bytes)}, the model's of "
            f"{len(model.token_bytes)}, or other texts. Export a smaller model "
            "with the same tokenizer."
        )
    if draft.context < model.context:
        raise ValueError(
            "draft must have at least the model's context. Received: context="
            f"{draft.context}, the model's {model.context}. Export one that is "
            "as long."
        )


def learn(row, num_drafts, is_good):
    """Have an answer pause for longer while its drafts are rejected."""
    if num_drafts == 0:
        row.pause = max(row.pause - 1, 0)
    elif is_good:
        row.pause, row.next_pause = 0, max(row.next_pause // 2, 1)
    else:
        row.pause = row.next_pause
        row.next_pause = min(2 * row.next_pause, LONGEST_PAUSE)
