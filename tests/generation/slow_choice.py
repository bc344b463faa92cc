"""The choice of a token as its definitions say, one row and token at a time."""

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


def slow_distribution(scores, temperature=1.0, top_k=0, top_p=1.0, min_p=0.0):
    """The scores and the probabilities among which a row draws."""
    scores = scores.astype("float32") / np.float32(temperature)
    for keep, setting in (
        (slow_keep_top_k, top_k),
        (slow_keep_top_p, top_p),
        (slow_keep_min_p, min_p),
    ):
        scores = np.where(keep(scores, setting), scores, np.float32(REMOVED))
    return scores, softmax(scores)


def slow_choose_token(scores, index, temperature, top_k, seed, *limits):
    """The token of one row."""
    if temperature == 0:
        return int(np.argmax(scores))
    scores, _ = slow_distribution(scores, temperature, top_k, *limits)
    noise = -np.log(-np.log(_slow_uniform(scores.shape, seed, index)))
    return int(np.argmax(scores + noise))


def _slow_uniform(shape, seed, index):
    """As the backend itself draws, above 0 and below 1."""
    if keras.config.backend() == "jax":
        import jax

        key = np.array([seed, index], "int32").view("uint32")
        return np.asarray(jax.random.uniform(key, shape, minval=1e-20))
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
