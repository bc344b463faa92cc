"""Decoding in parts, with the cache in the client's hands. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.export.per_row_options import choose_for_rows
from keras_gpt3.export.per_row_options import draw_rows
from keras_gpt3.export.per_row_options import option_defaults
from keras_gpt3.export.per_row_options import option_specs
from keras_gpt3.export.token_signatures import scores_function
from keras_gpt3.generation.decode_loop import DecodeState
from keras_gpt3.generation.decode_loop import decode_until
from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.key_value_cache import ring_size
from keras_gpt3.ops.sequence_checks import check_context
from keras_gpt3.ops.sequence_checks import check_token_ids


class StreamSignatures:
    """Functions that decode some tokens at a time.

    `prefill` once and `extend` in any parts give the tokens that `generate`
    gives with the same settings: draws depend on seed and position alone.
    """

    def __init__(self, backbone, end_token_ids, num_known=None):
        self._backbone = backbone
        self._num_known = num_known
        self._end_token_ids = end_token_ids

    def endpoints(self):
        """Lists the functions and what they take."""
        token_ids = tf.TensorSpec((None, None), tf.int32, name="token_ids")
        return {
            "prefill": (self.prefill, [token_ids, _scalar("cache_length")]),
            "extend": (
                self._extend_function(),
                [
                    token_ids,
                    _scalar("index"),
                    _scalar("end"),
                    *cache_specs(self._backbone),
                    *option_specs("temperature", "top_k", "top_p", "seed"),
                ],
            ),
        }

    def prefill(self, token_ids, cache_length):
        """Prompts to their cache; see `export_saved_model`."""
        token_ids = self._checked_ids(token_ids)
        length = tf.shape(token_ids)[1]
        cache_length = _check_cache_length(
            cache_length, length, self._backbone.max_sequence_length
        )
        _, cache = self._backbone.prefill(token_ids, cache_length)
        return stack_cache(
            self._backbone, cache, tf.shape(token_ids)[0], cache_length
        )

    def extend(self, token_ids, index, end, cache, **settings):
        """Some more tokens; see `export_saved_model`."""
        token_ids = self._checked_ids(token_ids)
        batch_size = tf.shape(token_ids)[0]
        total = tf.shape(token_ids)[1]
        cache_length = tf.shape(cache["dense_keys"])[3]
        index, end = _check_part(index, end, tf.minimum(total, cache_length))
        settings = draw_rows(settings, batch_size)
        known = tf.fill(tf.shape(token_ids[:, 0]), index)
        state = decode_until(
            end,
            scores_function(self._backbone, self._num_known),
            lambda logits, index: choose_for_rows(logits, index, **settings),
            DecodeState(
                index,
                token_ids,
                tf.zeros_like(known, tf.bool),
                unstack_cache(self._backbone, cache, batch_size),
            ),
            tf.sequence_mask(known, total),
            self._end_token_ids,
        )
        return {
            "token_ids": state.token_ids,
            "index": state.index,
            "stopped": state.stopped,
            **stack_cache(
                self._backbone, state.cache, batch_size, cache_length
            ),
        }

    def _extend_function(self):
        """`extend` with its arguments in a row, as a signature has them."""
        defaults = option_defaults()

        def extend(
            token_ids,
            index,
            end,
            dense_keys,
            dense_values,
            banded_keys,
            banded_values,
            temperature=defaults["temperature"],
            top_k=defaults["top_k"],
            top_p=defaults["top_p"],
            seed=defaults["seed"],
        ):
            tensors = dense_keys, dense_values, banded_keys, banded_values
            return self.extend(
                token_ids,
                index,
                end,
                dict(zip(CACHE_NAMES, tensors, strict=True)),
                temperature=temperature,
                top_k=top_k,
                top_p=top_p,
                seed=seed,
            )

        return extend

    def _checked_ids(self, token_ids):
        token_ids = check_token_ids(token_ids, self._backbone.vocabulary_size)
        return check_context(token_ids, self._backbone.max_sequence_length)


def _check_cache_length(cache_length, length, context):
    """The length of a cache, behind checks of it and of the prompt."""
    cache_length = assert_in_graph(
        cache_length,
        length > 0,
        EMPTY_PROMPT[0],
        length,
        EMPTY_PROMPT[1],
    )
    return assert_in_graph(
        cache_length,
        (cache_length >= length) & (cache_length <= context),
        "cache_length must hold the prompt, and be at most "
        f"max_sequence_length={context}. Received: cache_length=",
        cache_length,
        ". Pass the tokens that prompt and answer may have together.",
    )


def _check_part(index, end, room):
    """Where a part begins and ends, behind checks of both."""
    end = assert_in_graph(
        end,
        end <= room,
        "end must fit the width of token_ids and the cache_length of prefill. "
        "Received: end=",
        end,
        ". Ask for fewer tokens.",
    )
    index = assert_in_graph(
        index,
        (index >= 1) & (index <= end),
        "index must be from 1 to end. Received: index=",
        index,
        ". Pass the tokens known so far, of the prompt and from extend.",
    )
    return index, end


def _scalar(name):
    return tf.TensorSpec((), tf.int32, name=name)


# A cache as four tensors that a client can carry. TensorFlow only.
#
# Letters: L layers of a kind, B batch, H heads, S slots, D width of a head.


CACHE_NAMES = ("dense_keys", "dense_values", "banded_keys", "banded_values")


def cache_specs(backbone):
    """What a signature takes for a cache."""
    heads = backbone.num_heads
    width = backbone.hidden_dim // heads
    kinds = [block.attention for block in backbone.decoder_blocks]
    return [
        tf.TensorSpec(
            (kinds.count(_kind(name)), None, heads, None, width),
            backbone.compute_dtype,
            name=name,
        )
        for name in CACHE_NAMES
    ]


def stack_cache(backbone, cache, batch_size, length):
    """Brings a backbone's cache to four tensors."""
    tensors = {}
    for spec in cache_specs(backbone):
        name = spec.name
        window = None if _kind(name) == "dense" else backbone.attention_window
        # A pattern may have no layer of a kind.
        none = (0, batch_size, spec.shape[2], ring_size(length, window))
        rings = [
            ring[tf.newaxis]
            for block, pair in zip(backbone.decoder_blocks, cache, strict=True)
            for part, ring in zip(("keys", "values"), pair, strict=True)
            if name == f"{block.attention}_{part}"
        ]
        empty = tf.zeros((*none, spec.shape[4]), spec.dtype)
        tensors[name] = tf.concat(rings, axis=0) if rings else empty
    return tensors


def unstack_cache(backbone, tensors, batch_size):
    """Brings four tensors back to a backbone's cache."""
    rings = {}
    for name, tensor in tensors.items():
        rows = tf.shape(tensor)[1]
        tensor = assert_in_graph(
            tensor,
            rows == batch_size,
            f"{name} must have the rows of token_ids. Received: rows=",
            rows,
            ". Pass the cache that prefill or extend gave for these rows.",
        )
        rings[name] = iter(tf.unstack(tensor))
    return [
        tuple(next(rings[f"{block.attention}_{x}"]) for x in ("keys", "values"))
        for block in backbone.decoder_blocks
    ]


def _kind(name):
    return name.split("_")[0]
