"""The compiled function of `GPT3.generate`, for TensorFlow."""

import numpy as np
from keras import ops

from keras_gpt3.generation.sampler_loop import sample
from keras_gpt3.models.traced_variables import TracedVariables
from keras_gpt3.ops.op_compilation import whole_xla

# Lengths that the prompts of a batch are cut to before the first pass: a new
# one costs a trace of that pass. Above the last, multiples of it.
_BUCKETS = (32, 64, 128, 256)


class GenerateFunction:
    """Continues batches of prompts; its parts are traced once for each shape.

    The first pass over the prompts is left to the backend's operations, its
    large products above all, at the prompts' own length or little more. The
    loop that follows reads all weights for a single position: there XLA
    compiles the whole of it, once for each batch and full length, whatever
    the prompts' lengths.

    Args:
        model: a `GPT3`, compiled with a sampler.

    Call arguments:
        inputs: dict of `"token_ids"` and `"padding_mask"`, each of shape
            `(batch, length)`, padded on the right.
        stop_token_ids: list of ints, or `None`.

    Returns:
        A dict like `inputs`.
    """

    def __init__(self, model):
        self._model = model
        self._traced = TracedVariables()

    def __call__(self, inputs, stop_token_ids=None):
        if self._traced.have_changed(self._model.backbone.variables):
            self._prefill, self._loops = _graph(self._prefill_step), {}
        token_ids = ops.convert_to_tensor(inputs["token_ids"], "int32")
        padding_mask = ops.convert_to_tensor(inputs["padding_mask"], "bool")
        lengths = np.sum(ops.convert_to_numpy(padding_mask), axis=-1)
        total = token_ids.shape[1]
        prompts = token_ids[:, : bucket(int(lengths.max()), total)]
        start = ops.convert_to_tensor(int(lengths.min()), "int32")
        hidden_states, cache = self._prefill(prompts, start, total)
        loop = self._loop(stop_token_ids)
        return loop(token_ids, padding_mask, hidden_states, cache)

    def _prefill_step(self, prompts, start, total):
        """The cache of the prompts, and hidden states (B, total, M)."""
        hidden_states, cache = self._model.backbone.prefill(
            prompts, cache_length=total, end=start
        )
        # Samplers that look at hidden states write the later ones there.
        room = total - prompts.shape[1]
        return ops.pad(hidden_states, ((0, 0), (0, room), (0, 0))), cache

    def _loop(self, stop_token_ids):
        """The loop for some stop tokens, which are a part of its code."""
        stops = None if stop_token_ids is None else tuple(stop_token_ids)
        if stops not in self._loops:
            model = self._model

            def loop(token_ids, padding_mask, hidden_states, cache):
                return continue_prompts(
                    model, token_ids, padding_mask, hidden_states, cache, stops
                )

            self._loops[stops] = whole_xla(loop)
        return self._loops[stops]


def continue_prompts(
    model, token_ids, padding_mask, hidden_states, cache, stop_token_ids
):
    """Samples what follows prompts, given their cache.

    Args:
        model: a `GPT3`, compiled with a sampler.
        token_ids: int tensor of shape `(batch, length)`.
        padding_mask: bool tensor of shape `(batch, length)`.
        hidden_states: tensor of shape `(batch, length, hidden_dim)`.
        cache: as `GPT3Backbone.prefill` gives it.
        stop_token_ids: list of ints, or `None`.

    Returns:
        A dict of `"token_ids"` and `"padding_mask"`.
    """
    backbone = model.backbone

    def next_logits(token_ids, cache, index):
        states, cache = backbone.decode_position(token_ids, cache, index)
        return backbone.logits(states), states, cache

    return sample(
        model.sampler,
        next_logits,
        token_ids,
        padding_mask,
        cache,
        stop_token_ids,
        hidden_states=hidden_states,
        model=model,
    )


def bucket(length, total):
    """The length that prompts are cut to.

    Args:
        length: int. Tokens of the longest prompt.
        total: int. Tokens that there is room for, at least `length`.

    Returns:
        An int from `length` to `total`.
    """
    largest = _BUCKETS[-1]
    for size in _BUCKETS:
        if length <= size:
            return min(size, total)
    return min(-(-length // largest) * largest, total)


def _graph(function):
    import tensorflow as tf

    return tf.function(function, autograph=False)
