"""Attention one query at a time in numpy float64: the oracle of its tests."""

import numpy as np


def slow_attention(
    query,
    key,
    value,
    upstream,
    window=None,
    scale=None,
    padding_mask=None,
    segment_ids=None,
):
    """The output, and the gradients of `sum(output * upstream)`.

    All of shape (batch, length, heads, head_dim); query i sees key j iff
    0 <= i - j < window, padding_mask[j] and segment_ids[j] == segment_ids[i].
    """
    query, key, value = (np.asarray(x, "float64") for x in (query, key, value))
    batch, length, heads, head_dim = query.shape
    scale = head_dim**-0.5 if scale is None else scale
    window = window or length
    if padding_mask is None:
        padding_mask = np.ones((batch, length), "bool")
    if segment_ids is None:
        segment_ids = np.zeros((batch, length), "int32")
    output, d_query, d_key, d_value = np.zeros((4, *query.shape))
    for b, i, h in np.ndindex(batch, length, heads):
        first = max(0, i - window + 1)
        own = segment_ids[b, i]
        seen = [
            j
            for j in range(first, i + 1)
            if padding_mask[b, j] and segment_ids[b, j] == own
        ]
        if not seen:
            continue
        keys, values = key[b, seen, h], value[b, seen, h]
        weights = np.exp(scale * keys @ query[b, i, h])
        weights /= weights.sum()
        output[b, i, h] = weights @ values
        d_weights = values @ upstream[b, i, h]
        d_scores = scale * weights * (d_weights - weights @ d_weights)
        d_query[b, i, h] = d_scores @ keys
        d_key[b, seen, h] += np.outer(d_scores, query[b, i, h])
        d_value[b, seen, h] += np.outer(weights, upstream[b, i, h])
    return output, d_query, d_key, d_value
