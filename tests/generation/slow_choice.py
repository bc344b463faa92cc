"""The choice of a token as its definitions say, one row and token at a time."""

import itertools
import math

import keras
import numpy as np

REMOVED = -1e30


def softmax(scores):
    exponents = np.exp(scores.astype("float64") - scores.max())
    return exponents / exponents.sum()


# === Filters: which tokens a row keeps ===


def slow_keep_top_k(scores, k):
    limit = sorted(scores, reverse=True)[: k or None][-1]
    return np.array([score >= limit for score in scores])


def slow_keep_top_p(scores, p):
    """Takes one token after the other, the lower id first where they tie."""
    probabilities = softmax(scores)
    kept, total = [], 0.0
    for i in sorted(range(len(scores)), key=lambda i: (-scores[i], i)):
        if total < p or not kept or p >= 1:
            kept.append(i)
            total += probabilities[i]
    return np.array([i in kept for i in range(len(scores))])


def slow_keep_min_p(scores, min_p):
    probabilities = softmax(scores)
    return np.array([p >= min_p * max(probabilities) for p in probabilities])


def slow_kept(scores, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    """The tokens that all filters keep, by one sort in float64.

    Ranks are those of the scores before the division.
    """
    scores = scores.astype("float64")
    order = np.lexsort((np.arange(len(scores)), -scores))
    ranked = scores[order]
    weights = np.exp((ranked - ranked[0]) / max(temperature, 1e-6))
    kept = ranked >= ranked[min(top_k or len(ranked), len(ranked)) - 1]
    if top_p < 1:
        total = weights[kept].sum()
        before = np.cumsum(weights) - weights
        kept &= (before < top_p * total) | (np.arange(len(ranked)) == 0)
    kept &= weights >= min_p
    result = np.zeros(len(scores), bool)
    result[order[kept]] = True
    return result


def slow_distribution(scores, temperature=1.0, **filters):
    """The probabilities with which a row draws."""
    kept = slow_kept(scores, temperature, **filters)
    scores = scores.astype("float64") / temperature
    return softmax(np.where(kept, scores, REMOVED))


def slow_choose_token(
    scores, index, temperature, top_k, seed, top_p=1.0, min_p=0.0
):
    """The token of one row, by the backend's own noise."""
    if temperature == 0:
        return int(np.argmax(scores))
    kept = slow_kept(scores, temperature, top_k, top_p, min_p)
    logs = (scores.astype("float64") - scores.max()) / temperature
    order = np.lexsort((np.arange(len(scores)), -scores))
    if 0 < top_k < len(scores):
        # Among the highest, in their order; here all are.
        noise = _slow_noise(len(scores), seed, index)
        logs = np.where(kept[order], logs[order], REMOVED)
        return int(order[np.argmax(logs + noise)])
    weights = np.exp(logs)
    for number in itertools.count():
        drawn = _slow_draw(weights, seed, index + number * 2**20)
        if kept[drawn]:
            return drawn
        # The next one is drawn from what ranks above.
        weights[order[list(order).index(drawn) :]] = 0.0


def _slow_draw(weights, seed, index):
    """A column of the grid by its sum, then a row of it."""
    columns = 32 * math.ceil(math.sqrt(len(weights)) / 32)
    rows = math.ceil(len(weights) / columns)
    grid = np.zeros(rows * columns)
    grid[: len(weights)] = weights
    grid = grid.reshape(rows, columns)
    noise = _slow_noise(rows + columns, seed, index)
    with np.errstate(divide="ignore"):
        column = np.argmax(np.log(grid.sum(0)) + noise[rows:])
        row = np.argmax(np.log(grid[:, column]) + noise[:rows])
    return int(row * columns + column)


def _slow_noise(size, seed, index):
    return -np.log(-np.log(_slow_uniform((size,), seed, index)))


def _slow_uniform(shape, seed, index):
    """As the backend itself draws, above 0 and below 1."""
    if keras.config.backend() == "jax":
        import jax

        key = np.array([seed, index], "int32").view("uint32")
        return np.asarray(jax.random.uniform(key, shape, minval=1e-20))
    if keras.config.backend() == "torch":
        import torch

        generator = torch.Generator()
        generator.manual_seed((seed * 1_000_003 + index) & 0xFFFFFFFF)
        drawn = torch.rand(shape, generator=generator)
        return 1e-20 + drawn.numpy()
    import tensorflow as tf

    return tf.random.stateless_uniform(
        shape, seed=[seed, index], minval=1e-20, maxval=1.0
    ).numpy()


# === Penalties: the scores of a row behind its tokens ===


def slow_repetition(scores, tokens, prompt_length, penalty):
    scores = scores.copy()
    for token in set(tokens):
        if scores[token] > 0:
            scores[token] /= penalty
        else:
            scores[token] *= penalty
    return scores


def slow_presence(scores, tokens, prompt_length, penalty):
    scores = scores.copy()
    for token in set(tokens[prompt_length:]):
        scores[token] -= penalty
    return scores


def slow_frequency(scores, tokens, prompt_length, penalty):
    scores = scores.copy()
    for token in tokens[prompt_length:]:
        scores[token] -= penalty
    return scores
