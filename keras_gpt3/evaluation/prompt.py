"""Puts instruction, demonstrations and context together, as many as fit."""

import functools

import numpy as np

# Texts whose tokens are kept: what many questions share is encoded once.
_KEPT = 128


def prompt_parts(task, demonstrations, example):
    """Returns the texts that a model is to continue (section 2.1).

    The instruction comes first, then the demonstrations with their answers,
    then the example's context without one; the task's delimiter is between
    them. With no demonstrations the prompt is zero-shot, with one one-shot.
    """
    pieces = [task.instruction] if task.instruction else []
    pieces += [shown.demonstration for shown in demonstrations]
    delimiter = task.delimiter if pieces else ""
    contexts = example.contexts or (example.context,)
    return (
        task.delimiter.join(pieces),
        tuple(delimiter + context for context in contexts),
    )


class PromptEncoder:
    """Makes prompts of token ids, with as many demonstrations as fit.

    The two parts of a prompt are encoded apart and joined as ids, always: so
    what questions share has the same ids for all of them, and what is counted
    is what the model reads. Those demonstrations that were drawn last are left
    out.
    """

    def __init__(self, preprocessor, task, window):
        tokenizer = preprocessor.tokenizer
        self._task, self._window = task, window
        self._nothing = (tokenizer.start_token_id,)
        self._start = self._nothing if preprocessor.add_start_token else ()
        self._lengths = {}

        def encode(text):
            ids = tokenizer.encode_to_numpy(text) if text else ()
            return tuple(np.asarray(ids).tolist())

        self.encode = functools.lru_cache(_KEPT)(encode)

    def __call__(self, demonstrations, example, answer_length):
        def prompts(shots):
            return self._prompts(demonstrations[:shots], example)

        def fits(shots):
            return max(map(len, prompts(shots))) + answer_length <= self._window

        shots = len(demonstrations)
        if not fits(shots):
            shots = self._guess(demonstrations, example, answer_length)
            while shots and not fits(shots):
                shots -= 1
            if not fits(shots):
                raise self._too_long(prompts(0), example, answer_length)
            while fits(shots + 1):
                shots += 1
        return prompts(shots), shots

    def _prompts(self, demonstrations, example):
        before, contexts = prompt_parts(self._task, demonstrations, example)
        before = (*self._start, *self.encode(before))
        return tuple(
            # What stands before each text in training stands for none.
            (*before, *self.encode(context)) or self._nothing
            for context in contexts
        )

    def _guess(self, demonstrations, example, answer_length):
        """The demonstrations that fit, if tokens of pieces add up."""
        used = max(map(len, self._prompts((), example))) + answer_length
        for shots, shown in enumerate(demonstrations):
            piece = self._task.delimiter + shown.demonstration
            if piece not in self._lengths:
                self._lengths[piece] = len(self.encode(piece))
            used += self._lengths[piece]
            if used > self._window:
                return shots
        # All do not fit, or nobody would guess.
        return max(len(demonstrations) - 1, 0)

    def _too_long(self, prompts, example, answer_length):
        return ValueError(
            f"A prompt and its answer must fit into {self._window} tokens. "
            f"Received: {max(map(len, prompts))} tokens with no demonstrations "
            f"and {answer_length} of an answer for "
            f"{example.where or repr(example.context[:40])}. Shorten the "
            "record, or use a model with a longer context."
        )
