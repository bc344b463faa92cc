"""Log-likelihoods of continuations, in batches of a few shapes.

Letters as in the backbone, and: N tokens of all continuations of a batch.
"""

import math

import numpy as np

from keras_gpt3.integer_argument import check_integer
from keras_gpt3.models.continuation_pairs import continuation_pairs
from keras_gpt3.models.continuation_pairs import fit_to_window
from keras_gpt3.models.continuation_score import ContinuationScore
from keras_gpt3.models.forward_graphs import ForwardGraphs
from keras_gpt3.models.head_scores import HeadScores
from keras_gpt3.models.prompt_inputs import check_prefix

# Shorter batches than this are padded to it.
_SHORTEST = 16


def score_continuations(
    model,
    context,
    continuation,
    top_n=0,
    batch_size=8,
    truncate=None,
    prefix=None,
):
    """Scores continuations; the arguments are those of `GPT3.score`.

    Only the positions that predict a continuation's tokens go through the
    output head.
    """
    backbone = model.backbone
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("top_n", top_n, minimum=0)
    if top_n > backbone.vocabulary_size:
        raise ValueError(
            f"top_n must be at most vocabulary_size={backbone.vocabulary_size}"
            f". Received: top_n={top_n}. Ask for fewer alternatives."
        )
    check_prefix(model, prefix)
    read = 0 if prefix is None else prefix.num_tokens
    pairs, is_single = continuation_pairs(
        model, context, continuation, follows_prefix=read > 0
    )
    pairs = fit_to_window(
        pairs, backbone.max_sequence_length, truncate, read, model.preprocessor
    )
    # Pairs of like lengths together, to pad little. The longest come first: if
    # memory is short, it is at once.
    order = sorted(range(len(pairs)), key=lambda i: -_input_length(pairs[i]))
    scores = {}
    for start in range(0, len(order), batch_size):
        chosen = order[start : start + batch_size]
        batch = [pairs[i] for i in chosen]
        rows = min(batch_size, _power_of_two(len(batch)))
        found = _score_batch(model, batch, rows, top_n, prefix)
        scores |= zip(chosen, found, strict=True)
    scores = [scores[i] for i in range(len(pairs))]
    return scores[0] if is_single else scores


def bucketed_length(length, longest):
    """The length to pad to: powers of two and the middles between them.

    Each shape costs compilations, and padding costs at most half of the work.
    """
    size = max(_SHORTEST, _power_of_two(length))
    middle = size * 3 // 4
    if _SHORTEST < size and length <= middle:
        size = middle
    return min(size, longest)


def _power_of_two(number):
    """The smallest one that is not below a number."""
    return 2 ** (number - 1).bit_length()


def _input_length(pair):
    """The number of tokens that the model reads: all but the last."""
    context, continuation = pair
    return len(context) + len(continuation) - 1


def _score_batch(model, pairs, rows, top_n, prefix):
    """A list of scores for a few pairs, padded to a number of rows."""
    backbone = model.backbone
    longest = max(map(_input_length, pairs))
    if prefix is None:
        length = bucketed_length(longest, backbone.max_sequence_length)
        inputs, places = _padded(pairs, rows, length)
        forward = _kept(model, "_forward_graphs", ForwardGraphs)
        states = forward(backbone, inputs)  # (B, T, E)
    else:
        window = backbone.max_sequence_length - prefix.num_tokens
        length = bucketed_length(longest, window)
        inputs, places = _padded(pairs, rows, length, num_before=1)
        states = prefix.states_after(inputs["token_ids"])  # (B, 1 + T, E)
    token_ids = np.concatenate([continuation for _, continuation in pairs])
    score = _kept(model, "_head_scores", HeadScores)
    results = score(backbone, states, places, token_ids, top_n)
    ends = np.cumsum([len(continuation) for _, continuation in pairs])[:-1]
    parts = zip(*(np.split(x, ends) for x in results), strict=True)
    return [
        _to_score(continuation, *part)
        for (_, continuation), part in zip(pairs, parts, strict=True)
    ]


def _kept(model, name, kind):
    """The model's graphs of some kind, which live as long as it does."""
    if not hasattr(model, name):
        setattr(model, name, kind())
    return getattr(model, name)


def _padded(pairs, rows, length, num_before=0):
    """Model inputs (B, T), and which states (N,) predict tokens.

    A number of states come before those of each row's inputs.
    """
    token_ids = np.zeros((rows, length), "int32")
    padding_mask = np.zeros((rows, length), "bool")
    places = []
    for row, pair in enumerate(pairs):
        context, continuation = pair
        end = _input_length(pair)
        token_ids[row, :end] = (context + continuation)[:-1]
        padding_mask[row, :end] = True
        first = row * (num_before + length) + num_before + len(context) - 1
        places.append(np.arange(first, first + len(continuation)))
    inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
    return inputs, np.concatenate(places).astype("int32")


def _to_score(token_ids, log_probabilities, is_highest, *alternatives):
    """The score of one continuation, in Python's own numbers."""
    log_probabilities = log_probabilities.tolist()
    alternatives = [tuple(map(tuple, x.tolist())) for x in alternatives]
    return ContinuationScore(
        math.fsum(log_probabilities),
        bool(is_highest.all()),
        tuple(token_ids),
        tuple(log_probabilities),
        *alternatives,
    )
