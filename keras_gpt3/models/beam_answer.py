"""What `GPT3.beam_search` finds."""

import dataclasses

import numpy as np

from keras_gpt3.models.answer_texts import spell


@dataclasses.dataclass(frozen=True)
class BeamAnswer:
    """One of the likeliest answers to a prompt.

    Args:
        text: string. The answer, without the prompt; `None` where the model
            has no preprocessor.
        token_ids: tuple of ints. The answer's tokens, its stop token included.
        score: float. The sum of their log-probabilities, in nats, divided by
            the length penalty; see `keras_gpt3.generation.beam_search`.

    Example:

    ```python
    from keras_gpt3.models.beam_answer import BeamAnswer

    answer = BeamAnswer(" mat", token_ids=(2603,), score=-1.5)
    ```
    """

    text: str | None
    token_ids: tuple
    score: float


def beam_answers(tokenizer, batch, found):
    """The answers of a beam search, prompt by prompt.

    Args:
        tokenizer: `GPT3Tokenizer`, or `None` where there are ids only.
        batch: a `PromptBatch`.
        found: a `TokenAnswers` with scores, as many for each prompt.

    Returns:
        A list with a list of `BeamAnswer` for each prompt, best first.
    """
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
