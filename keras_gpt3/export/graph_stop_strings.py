"""Stop strings inside a graph, each row's own. TensorFlow only."""

import typing

import tensorflow as tf

from keras_gpt3.export.per_row_options import shape_message
from keras_gpt3.generation.prompt_messages import STOP_STRINGS
from keras_gpt3.ops.graph_assertion import assert_in_graph


def stop_rows(stop, batch_size):
    """Broadcast stop strings to one vector for each row."""
    is_shared = tf.rank(stop) < 2
    # A scalar has no first dimension.
    rows = tf.where(is_shared, 1, tf.concat([tf.shape(stop), [1]], axis=0)[0])
    stop = assert_in_graph(
        stop,
        (tf.rank(stop) < 3) & ((rows == 1) | (rows == batch_size)),
        *shape_message("stop", tf.shape(stop)),
    )
    before, after = STOP_STRINGS
    listed = tf.strings.reduce_join(tf.reshape(stop, [-1]), separator=", ")
    stop = assert_in_graph(
        stop,
        ~is_shared | tf.reduce_all(tf.strings.length(stop) > 0),
        before,
        tf.strings.join(["[", listed, "]"]),
        after,
    )
    stop = tf.reshape(stop, [rows, -1])
    return tf.broadcast_to(stop, [batch_size, tf.shape(stop)[1]])


def first_stop(texts, stop):
    """Where the first stop string of each text begins, or -1.

    Stock TensorFlow has no search for substrings: this compares each stretch
    of the texts' bytes with each stop string.
    """
    lengths = tf.strings.length(texts)  # (B,)
    width = tf.reduce_max(lengths)
    # The operation requires at least one byte.
    longest = tf.maximum(longest_stop(stop), 1)
    text_bytes = tf.io.decode_raw(
        texts, tf.uint8, fixed_length=width + longest
    )  # (B, N + P)
    starts = tf.range(width)
    offsets = tf.range(longest)
    stretches = tf.gather(
        text_bytes, starts[:, tf.newaxis] + offsets, axis=1
    )  # (B, N, P)
    none = lengths + 1

    def look_for(column, place):
        string = stop[:, column]
        size = tf.strings.length(string)[:, tf.newaxis]  # (B, 1)
        wanted = tf.io.decode_raw(string, tf.uint8, fixed_length=longest)
        is_same = stretches == wanted[:, tf.newaxis]  # (B, N, P)
        is_after = offsets >= size  # (B, P)
        is_found = tf.reduce_all(is_same | is_after[:, tf.newaxis], axis=2)
        is_found &= starts + size <= lengths[:, tf.newaxis]
        is_found &= size > 0
        places = tf.where(is_found, starts, none[:, tf.newaxis])
        # The minimum of no places is the largest integer.
        return column + 1, tf.minimum(place, tf.reduce_min(places, axis=1))

    _, place = tf.while_loop(
        lambda column, _: column < tf.shape(stop)[1],
        look_for,
        (tf.constant(0), none),
    )
    return tf.where(place < none, place, -1)


def longest_stop(stop):
    """The number of bytes of the longest stop string."""
    return tf.maximum(tf.reduce_max(tf.strings.length(stop)), 0)


class CriteriaState(typing.NamedTuple):
    """What the criteria know of answers so far; tensors of shape `(batch,)`."""

    num_tokens: typing.Any
    num_bytes: typing.Any
    tails: typing.Any
    cuts: typing.Any


class StoppingCriteria:
    """Ends answers at their stop strings and at their number of tokens.

    The `stopping_criteria` of `decode_until`. Where no row has a stop string,
    no token is decoded to text.
    """

    def __init__(self, encoding, stop, max_new_tokens):
        self._encoding = encoding
        self._stop = stop
        self._max_new_tokens = max_new_tokens
        self._longest = longest_stop(stop)

    def initial_state(self):
        """The state before the first token."""
        zeros = tf.zeros_like(self._max_new_tokens)
        empty = tf.fill(tf.shape(zeros), "")
        return CriteriaState(zeros, zeros, empty, zeros - 1)

    def __call__(self, state, chosen, is_answer):
        """Update the state by the tokens of a position; see `decode_until`."""
        state = CriteriaState(*state)
        num_tokens = state.num_tokens + tf.cast(is_answer, tf.int32)
        state = tf.cond(
            self._longest > 0,
            lambda: self._with_text(state, chosen, is_answer),
            lambda: state,
        )
        state = CriteriaState(*state)._replace(num_tokens=num_tokens)
        is_last = num_tokens >= self._max_new_tokens
        return state, is_last | (state.cuts >= 0)

    def _with_text(self, state, chosen, is_answer):
        """Look for stop strings in the text so far."""
        # Tokens of prompts are ignored, whatever their ids, and the end of text
        # is not text.
        is_text = is_answer & ~self._encoding.is_special(chosen)
        ids = tf.where(is_text, chosen, 0)[:, tf.newaxis]
        pieces = tf.where(is_text, self._encoding.decode(ids), "")
        num_bytes = state.num_bytes + tf.strings.length(pieces)
        texts = tf.strings.join([state.tails, pieces])
        size = tf.strings.length(texts)
        place = first_stop(texts, self._stop)
        is_new = is_answer & (place >= 0)
        cuts = tf.where(is_new, num_bytes - size + place, state.cuts)
        dropped = tf.maximum(size - self._longest + 1, 0)
        tails = tf.strings.substr(texts, dropped, size - dropped)
        return CriteriaState(state.num_tokens, num_bytes, tails, cuts)
