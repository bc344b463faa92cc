"""Signatures on token ids, whole or in parts. TensorFlow only.

In parts, the client holds the cache.
"""

import tensorflow as tf

from keras_gpt3.export.per_row_options import draw_rows
from keras_gpt3.export.per_row_options import endpoint
from keras_gpt3.generation.decode_loop import DecodeState
from keras_gpt3.generation.decode_loop import cached_scores
from keras_gpt3.generation.decode_loop import decode_until
from keras_gpt3.generation.decode_loop import mask_up_to_stop
from keras_gpt3.generation.decode_loop import start_decoding
from keras_gpt3.generation.decode_loop import without_hidden_states
from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.generation.prompt_messages import PADDING
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.layers.block_pattern import visible_window
from keras_gpt3.ops.attention.cached_attention import ring_size
from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.log_probabilities import log_probabilities_under_head
from keras_gpt3.ops.sequence_checks import check_context
from keras_gpt3.ops.sequence_checks import check_token_ids

_SETTINGS = ("temperature", "top_k", "top_p", "seed")
CACHE_NAMES = ("dense_keys", "dense_values", "banded_keys", "banded_values")


class TokenSignatures:
    """Functions of token ids; see `export_saved_model`.

    `prefill` once and `extend` in any parts yield the tokens of `generate` with
    the same settings: draws depend on seed and position alone.
    """

    def __init__(self, backbone, end_token_ids, num_known=None):
        self._backbone = backbone
        self._num_known = num_known
        self._num_ids = num_known or backbone.vocabulary_size
        self._end_token_ids = end_token_ids

    def endpoints(self):
        """The functions and their specs, by name."""
        token_ids = tf.TensorSpec((None, None), tf.int32, name="token_ids")
        mask = tf.TensorSpec((None, None), tf.bool, name="padding_mask")
        part = [token_ids, _scalar("index"), _scalar("end")]
        return {
            "logits": (self.logits, [token_ids]),
            "score_tokens": (
                self.score_tokens,
                [
                    token_ids,
                    tf.TensorSpec((None,), tf.int32, name="lengths"),
                    _scalar("number"),
                ],
            ),
            "generate_tokens": (
                self.generate_tokens,
                [
                    token_ids,
                    mask,
                    _scalar("temperature", tf.float32),
                    _scalar("top_k"),
                    _scalar("seed"),
                    _scalar("end_token_id"),
                ],
            ),
            "prefill": (self.prefill, [token_ids, _scalar("cache_length")]),
            "extend": endpoint(
                self.extend, part + cache_specs(self._backbone), *_SETTINGS
            ),
        }

    def logits(self, token_ids):
        """The scores of the next token at each position."""
        token_ids = self._checked_ids(token_ids)
        mask = tf.ones_like(token_ids, tf.bool)
        hidden = self._backbone({"token_ids": token_ids, "padding_mask": mask})
        return {"logits": tf.cast(self._backbone.logits(hidden), tf.float32)}

    def score_tokens(self, token_ids, lengths, number):
        """Log-probabilities of rows, and of the best ids at each place.

        The head runs on some positions at a time, so no array has the size of
        all logits.
        """
        token_ids = self._checked_ids(token_ids)
        length = tf.shape(token_ids)[1]
        lengths = _check_lengths(lengths, tf.shape(token_ids)[0], length)
        # The last token is predicted, not read, unless it is the only one.
        read = tf.maximum(length - 1, 1)
        targets = tf.pad(token_ids, [[0, 0], [0, 1]])[:, 1 : 1 + read]
        inputs = {
            "token_ids": token_ids[:, :read],
            "padding_mask": tf.ones_like(targets, tf.bool),
        }
        number = _check_number(number, self._num_ids)
        logs, _, top_ids, top_logs = log_probabilities_under_head(
            self._backbone(inputs, training=False),
            self._backbone.logits,
            self._backbone.vocabulary_size,
            targets,
            # The loop over chunks cannot fill tensors without elements.
            tf.maximum(number, 1),
            self._num_known,
        )
        is_scored = tf.sequence_mask(lengths - 1, read)[..., tf.newaxis]

        def placed(x, width):
            x = tf.where(is_scored, x, tf.zeros_like(x))[..., :width]
            return tf.pad(x, [[0, 0], [1, 0], [0, 0]])[:, :length]

        return {
            "log_probabilities": placed(logs[..., tf.newaxis], 1)[..., 0],
            "top_token_ids": placed(top_ids, number),
            "top_log_probabilities": placed(top_logs, number),
        }

    def generate_tokens(
        self, token_ids, padding_mask, temperature, top_k, seed, end_token_id
    ):
        """Right-padded prompts, continued up to their full length."""
        state = decode_prompts(
            self._backbone,
            self._checked_prompt(token_ids, padding_mask),
            padding_mask,
            end_token_id,
            lambda x, index: choose_token(x, index, temperature, top_k, seed),
        )
        answer = state.token_ids
        return {
            "token_ids": answer,
            "padding_mask": mask_up_to_stop(
                answer, padding_mask, [end_token_id]
            ),
        }

    def prefill(self, token_ids, cache_length):
        """The cache of prompts."""
        token_ids = self._checked_ids(token_ids)
        length = tf.shape(token_ids)[1]
        cache_length = _check_cache_length(
            cache_length, length, self._backbone.max_sequence_length
        )
        _, cache = self._backbone.prefill(token_ids, cache_length)
        return stack_cache(
            self._backbone, cache, tf.shape(token_ids)[0], cache_length
        )

    def extend(self, token_ids, index, end, **tensors):
        """Some more tokens of an answer."""
        cache = {name: tensors[name] for name in CACHE_NAMES}
        settings = {name: tensors[name] for name in _SETTINGS}
        token_ids = self._checked_ids(token_ids)
        batch_size = tf.shape(token_ids)[0]
        total = tf.shape(token_ids)[1]
        cache_length = tf.shape(cache["dense_keys"])[3]
        index, end = _check_part(index, end, tf.minimum(total, cache_length))
        settings = draw_rows(settings, batch_size)
        known = tf.fill(tf.shape(token_ids[:, 0]), index)
        with self._backbone.floats_made_once():
            state = decode_until(
                end,
                without_hidden_states(
                    cached_scores(self._backbone, self._num_known)
                ),
                lambda logits, index: choose_token(logits, index, **settings),
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
            "stopped": state.finished,
            **stack_cache(
                self._backbone, state.cache, batch_size, cache_length
            ),
        }

    def _checked_ids(self, token_ids):
        token_ids = check_token_ids(token_ids, self._backbone.vocabulary_size)
        return check_context(token_ids, self._backbone.max_sequence_length)

    def _checked_prompt(self, token_ids, padding_mask):
        """The prompt after its checks, with zeros for padding."""
        token_ids = self._checked_ids(tf.where(padding_mask, token_ids, 0))
        lengths = tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1)
        token_ids = assert_in_graph(
            token_ids,
            tf.reduce_all(lengths > 0),
            "A prompt must have at least one token. Received: length=",
            tf.reduce_min(lengths),
            ". Start with the end-of-text id to start from nothing.",
        )
        on_the_right = tf.sequence_mask(lengths, tf.shape(padding_mask)[1])
        return assert_in_graph(
            token_ids,
            tf.reduce_all(padding_mask == on_the_right),
            PADDING[0],
            padding_mask,
            PADDING[1],
        )


def decode_prompts(
    backbone,
    token_ids,
    padding_mask,
    end_token_id,
    choose,
    stopping_criteria=None,
    criteria_state=(),
    num_known=None,
):
    """Continue right-padded prompts until all rows have finished."""
    length = tf.shape(token_ids)[1]
    lengths = tf.reduce_sum(tf.cast(padding_mask, tf.int32), axis=1)
    with backbone.floats_made_once():
        _, cache = backbone.prefill(token_ids, length, tf.reduce_min(lengths))
        return decode_until(
            length,
            without_hidden_states(cached_scores(backbone, num_known)),
            choose,
            start_decoding(token_ids, padding_mask, cache, criteria_state),
            padding_mask,
            [end_token_id],
            stopping_criteria,
        )


def _check_lengths(lengths, batch_size, width):
    """The lengths of right-padded rows, with checks of them."""
    lengths = assert_in_graph(
        lengths,
        tf.size(lengths) == batch_size,
        "lengths must have one entry for each row of token_ids. Received: "
        "entries=",
        tf.size(lengths),
        ". Pass as many.",
    )
    return assert_in_graph(
        lengths,
        tf.reduce_all((lengths >= 1) & (lengths <= width)),
        "lengths must be from 1 to the width of token_ids. Received: lengths=",
        lengths,
        ". Count the tokens of each row.",
    )


def _check_number(number, most):
    return assert_in_graph(
        number,
        (number >= 0) & (number <= most),
        f"number must be from 0 to {most}, the known ids. Received: number=",
        number,
        ". Pass how many of the most likely ids are wanted.",
    )


def _check_cache_length(cache_length, length, context):
    """The length of a cache, with checks of it and of the prompt."""
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
    """The begin and end of a part, with checks of both."""
    end = assert_in_graph(
        end,
        end <= room,
        "end must fit the width of token_ids and the cache_length of prefill. "
        "Received: end=",
        end,
        ". Request fewer tokens.",
    )
    index = assert_in_graph(
        index,
        (index >= 1) & (index <= end),
        "index must be from 1 to end. Received: index=",
        index,
        ". Pass the tokens known so far, of the prompt and from extend.",
    )
    return index, end


def _scalar(name, dtype=tf.int32):
    return tf.TensorSpec((), dtype, name=name)


# === A cache as four tensors that a client can carry ===
#
# Letters: L layers of a kind, B batch, H heads, S slots, D width of a head.


def cache_specs(backbone):
    """The specs of a cache."""
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
    """Stack a backbone's cache into four tensors."""
    tensors = {}
    for spec in cache_specs(backbone):
        name = spec.name
        window = visible_window(_kind(name), backbone.attention_window)
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
    """Unstack four tensors into a backbone's cache."""
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
