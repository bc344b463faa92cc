"""Log-likelihoods of continuations, in batches of a few shapes.

Symbols as in the backbone, and: N tokens of all continuations of a batch.
"""

import dataclasses
import functools
import math

import keras
import numpy as np
from keras import ops

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.models.generate.length_buckets import coarse_bucket
from keras_gpt3.models.generate.length_buckets import fine_bucket
from keras_gpt3.models.generate.length_buckets import power_of_two
from keras_gpt3.models.generate.prompt_batch import check_prefix
from keras_gpt3.models.score.continuation_pairs import continuation_pairs
from keras_gpt3.models.score.continuation_pairs import fit_to_window
from keras_gpt3.ops.log_probabilities import log_probabilities_under_head
from keras_gpt3.ops.log_probabilities import token_log_probabilities
from keras_gpt3.ops.op_compilation import CompiledFunctions


def score_continuations(
    model,
    context,
    continuation,
    top_n=0,
    batch_size=8,
    truncate=None,
    prefix=None,
):
    """Score continuations; the arguments are those of `GPT3.score`.

    Only the positions that predict a continuation's tokens go through the
    output head.
    """
    backbone = model.backbone
    check_integer("batch_size", batch_size, minimum=1)
    check_integer("top_n", top_n, minimum=0)
    if top_n > backbone.vocabulary_size:
        raise ValueError(
            f"top_n must be at most vocabulary_size={backbone.vocabulary_size}"
            f". Received: top_n={top_n}. Request fewer alternatives."
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
        rows = min(batch_size, power_of_two(len(batch)))
        found = _score_batch(model, batch, rows, top_n, prefix)
        scores |= zip(chosen, found, strict=True)
    scores = [scores[i] for i in range(len(pairs))]
    return scores[0] if is_single else scores


def _input_length(pair):
    """The number of tokens that the model reads: all but the last."""
    context, continuation = pair
    return len(context) + len(continuation) - 1


def _score_batch(model, pairs, rows, top_n, prefix):
    """A list of scores for a few pairs, padded to a number of rows."""
    backbone, graphs = model.backbone, _graphs(model)
    longest = max(map(_input_length, pairs))
    if prefix is None:
        length = fine_bucket(longest, backbone.max_sequence_length)
        inputs, places = _padded(pairs, rows, length)
        states = hidden_states(graphs, backbone, inputs)  # (B, T, E)
    else:
        window = backbone.max_sequence_length - prefix.num_tokens
        length = fine_bucket(longest, window)
        inputs, places = _padded(pairs, rows, length, num_before=1)
        states = prefix.states_after(inputs["token_ids"])  # (B, 1 + T, E)
    token_ids = np.concatenate([continuation for _, continuation in pairs])
    results = head_scores(graphs, backbone, states, places, token_ids, top_n)
    ends = np.cumsum([len(continuation) for _, continuation in pairs])[:-1]
    parts = zip(*(np.split(x, ends) for x in results), strict=True)
    return [
        _to_score(continuation, *part)
        for (_, continuation), part in zip(pairs, parts, strict=True)
    ]


def _graphs(model):
    """The model's compiled functions, which live as long as it does."""
    if getattr(model, "_score_graphs", None) is None:
        model._score_graphs = CompiledFunctions()
    return model._score_graphs


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


@dataclasses.dataclass(frozen=True)
class ContinuationScore:
    """The likelihood of a continuation after its context.

    Args:
        log_likelihood: float. The sum of the tokens' log-probabilities, in
            nats: what section 2.4 of Brown et al. 2020 compares.
        is_greedy: bool. Whether each token is the most likely one at its
            place, so that greedy generation would give the continuation.
        token_ids: tuple of ints. The tokens of the continuation.
        token_log_probabilities: tuple of floats. One for each token, in nats,
            given the context and the tokens before it.
        top_token_ids: tuple of tuples of ints. For each token the `top_n` most
            likely ids at its place, the most likely first. Defaults to `()`.
        top_log_probabilities: tuple of tuples of floats. Those of
            `top_token_ids`. Defaults to `()`.

    Example:

    ```python
    from keras_gpt3.models import ContinuationScore

    score = ContinuationScore(
        log_likelihood=-1.5,
        is_greedy=True,
        token_ids=(3797, 13),
        token_log_probabilities=(-1.0, -0.5),
    )
    # A likelihood per token, to compare continuations of unequal length.
    score.log_likelihood / len(score.token_ids)  # -0.75
    ```
    """

    log_likelihood: float
    is_greedy: bool
    token_ids: tuple
    token_log_probabilities: tuple
    top_token_ids: tuple = ()
    top_log_probabilities: tuple = ()


def hidden_states(graphs, backbone, inputs):
    """Run a backbone in a graph, which is traced once for each shape."""

    def forward(token_ids, padding_mask):
        inputs = {"token_ids": token_ids, "padding_mask": padding_mask}
        return backbone(inputs, training=False)

    key = ("forward", *inputs["token_ids"].shape)
    # As tensors: a graph would be traced for each array.
    return graphs.compiled(key, forward, backbone.variables)(
        ops.convert_to_tensor(inputs["token_ids"], "int32"),
        ops.convert_to_tensor(inputs["padding_mask"], "bool"),
    )


def head_scores(graphs, backbone, states, places, token_ids, top_n):
    """Run the head where tokens are predicted, and nowhere else.

    Other backends run operations as they come. JAX would compile each of them
    for each number of tokens: there the whole is compiled, for a few numbers.
    """
    count, score = len(token_ids), functools.partial(_scores, backbone, top_n)
    if keras.config.backend() == "jax":
        longest = states.shape[0] * states.shape[1]
        room = coarse_bucket(count, max(count, longest)) - count
        places, token_ids = (np.pad(x, (0, room)) for x in (places, token_ids))
        key = ("head", top_n)
        score = graphs.compiled(key, score, backbone.variables)
    results = score(
        states,
        ops.convert_to_tensor(places, "int32"),
        ops.convert_to_tensor(token_ids, "int32"),
    )
    return [ops.convert_to_numpy(x)[0, :count] for x in results]


def _scores(backbone, top_n, states, places, token_ids):
    """Results for states (B, T, E) at some places (N,)."""
    states = ops.reshape(states, (-1, states.shape[-1]))
    states = ops.take(states, places, axis=0)[None]  # (1, N, E)
    head, token_ids = backbone.token_embedding, token_ids[None]
    if head.quantization_mode is None:
        return token_log_probabilities(
            states, head.embeddings, token_ids, top_n
        )
    # A quantized head has no table to multiply with.
    return log_probabilities_under_head(
        states, backbone.logits, backbone.vocabulary_size, token_ids, top_n
    )
