"""Likelihoods of running text, record by record (section 3.1.1)."""

import numpy as np

from keras_gpt3.evaluation.few_shot.outcome_cache import Outcome
from keras_gpt3.evaluation.few_shot.shared_batches import PairScores


def score_text(model, examples, known=(), batch_size=8):
    """Yield outcomes of records that follow each other as one text.

    Each token is scored once. The text is divided into parts of half the
    model's context, and before each part stands as much of the text as fits
    with it: a token has from half a context to a whole one before it, but for
    the first of the text, which stand after the start token. What GPT-2's
    and GPT-3's papers take is not given. Parts of records that are known
    alone are left out; which parts there are does not depend on that.
    """
    ids, ends = _token_ids(model.preprocessor.tokenizer, examples)
    starts = [0, *ends[:-1]]
    step = max(1, model.backbone.max_sequence_length // 2)
    firsts = sorted(
        {
            first
            for index, (start, end) in enumerate(zip(starts, ends, strict=True))
            if index not in known
            for first in range(start // step * step, end, step)
        }
    )
    values, score = np.full(len(ids), np.nan), PairScores(model, batch_size)
    index = 0
    for place in range(0, len(firsts), batch_size):
        batch = firsts[place : place + batch_size]
        pairs = [
            (_before(model, ids, first, step), ids[first : first + step])
            for first in batch
        ]
        for row, found in score(pairs):
            part = found.token_log_probabilities
            values[batch[row] : batch[row] + len(part)] = part
        while index < len(ends) and ends[index] <= batch[-1] + step:
            if index not in known:
                part = values[starts[index] : ends[index]]
                yield _outcome(index, examples[index], part)
            index += 1


def _token_ids(tokenizer, examples):
    """The ids of all records, each encoded apart, and where each ends."""
    ids, ends = [], []
    for example in examples:
        ids += tokenizer.encode_to_numpy(example.answers[0]).tolist()
        ends.append(len(ids))
    return tuple(ids), ends


def _before(model, ids, first, step):
    """What stands before a part: as many tokens as fit, or the start token.

    The last token of a part is predicted, never read.
    """
    preprocessor = model.preprocessor
    start = (preprocessor.tokenizer.start_token_id,)
    room = model.backbone.max_sequence_length + 1 - step
    if first < room or preprocessor.add_start_token:
        return (*start, *ids[max(0, first - room + 1) : first])
    return ids[first - room : first]


def _outcome(index, example, values):
    return Outcome(
        index,
        0,
        predicted=None,
        correct=None,
        log_likelihoods=(float(values.sum()),),
        num_tokens=(len(values),),
        example=example.digest,
    )
