"""When an answer is complete, told while it is made. TensorFlow only."""

import typing

import tensorflow as tf

from keras_gpt3.export.graph_stop_strings import first_stop
from keras_gpt3.export.graph_stop_strings import longest_stop


class WatchedAnswers(typing.NamedTuple):
    """What is remembered of answers; each a tensor of shape `(batch,)`."""

    num_tokens: typing.Any
    num_bytes: typing.Any
    tails: typing.Any
    cuts: typing.Any


class AnswerWatch:
    """Ends answers at their stop strings and at their number of tokens.

    The `watch` of `decode_until`. Where no row has a stop string, no token is
    spelled.
    """

    def __init__(self, encoding, stop, max_new_tokens):
        self._encoding = encoding
        self._stop = stop
        self._max_new_tokens = max_new_tokens
        self._longest = longest_stop(stop)

    def start(self):
        """What is remembered before the first token, a `WatchedAnswers`."""
        zeros = tf.zeros_like(self._max_new_tokens)
        empty = tf.fill(tf.shape(zeros), "")
        return WatchedAnswers(zeros, zeros, empty, zeros - 1)

    def __call__(self, watched, chosen, is_answer):
        """Takes in the tokens of a position; see `decode_until`."""
        watched = WatchedAnswers(*watched)
        num_tokens = watched.num_tokens + tf.cast(is_answer, tf.int32)
        watched = tf.cond(
            self._longest > 0,
            lambda: self._spelled(watched, chosen, is_answer),
            lambda: watched,
        )
        watched = WatchedAnswers(*watched)._replace(num_tokens=num_tokens)
        is_last = num_tokens >= self._max_new_tokens
        return watched, is_last | (watched.cuts >= 0)

    def _spelled(self, watched, chosen, is_answer):
        """Looks for stop strings in the text."""
        # Tokens of prompts are not looked at, whatever their ids, and the end
        # of text is no text.
        is_text = is_answer & ~self._encoding.is_special(chosen)
        ids = tf.where(is_text, chosen, 0)[:, tf.newaxis]
        pieces = tf.where(is_text, self._encoding.decode(ids), "")
        num_bytes = watched.num_bytes + tf.strings.length(pieces)
        texts = tf.strings.join([watched.tails, pieces])
        size = tf.strings.length(texts)
        place = first_stop(texts, self._stop)
        is_new = is_answer & (place >= 0)
        cuts = tf.where(is_new, num_bytes - size + place, watched.cuts)
        dropped = tf.maximum(size - self._longest + 1, 0)
        tails = tf.strings.substr(texts, dropped, size - dropped)
        return WatchedAnswers(watched.num_tokens, num_bytes, tails, cuts)
