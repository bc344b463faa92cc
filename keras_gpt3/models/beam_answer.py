"""What `GPT3.beam_search` finds."""

import dataclasses

import numpy as np

from keras_gpt3.models.answer_texts import spell


@dataclasses.dataclass(frozen=True)
class BeamAnswer:
    """One of the likeliest answers to a prompt."""

    text: str | None
    token_ids: tuple
    score: float


def beam_answers(tokenizer, batch, found):
    """The answers of a beam search, prompt by prompt."""
    count = len(found.scores) // len(batch.ends)
    answers = []
    for row, length in enumerate(np.repeat(batch.lengths, count)):
        if row % count == 0:
            answers.append([])
        token_ids = found.token_ids[row][found.padding_mask[row]][length:]
        # Where there are fewer continuations than beams.
        if np.isfinite(found.scores[row]):
            answers[-1].append(
                BeamAnswer(
                    _text(tokenizer, token_ids),
                    tuple(token_ids.tolist()),
                    float(found.scores[row]),
                )
            )
    return answers


def _text(tokenizer, token_ids):
    if tokenizer is None:
        return None
    return spell(tokenizer, token_ids).decode("utf-8", "replace")
