"""What an export does with texts. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.export.token_signatures import continue_tokens
from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.token_log_probabilities import log_probabilities_under_head
from keras_gpt3.tokenization.graph_byte_pair_encoding import (
    GraphBytePairEncoding,
)


class TextSignatures:
    """Functions of strings, to be traced into a SavedModel.

    Args:
        model: a `GPT3` with a preprocessor.
    """

    def __init__(self, model):
        own = model.preprocessor.tokenizer.encoding
        self.encoding = GraphBytePairEncoding(
            own.vocabulary, own.merges, own.special_tokens
        )
        self._backbone = model.backbone
        self._end_token_id = model.preprocessor.tokenizer.end_token_id

    def endpoints(self):
        """Lists the functions and what they take.

        Returns:
            A dict of name to a pair of callable and list of `tf.TensorSpec`.
        """
        return {
            "tokenize": (self.tokenize, [_texts("texts")]),
            "generate": (
                self.generate,
                [
                    _texts("prompts"),
                    _scalar("max_new_tokens", tf.int32),
                    _scalar("temperature", tf.float32),
                    _scalar("top_k", tf.int32),
                    _scalar("top_p", tf.float32),
                    _scalar("seed", tf.int32),
                    _texts("stop"),
                ],
            ),
            "score": (
                self.score,
                [_texts("contexts"), _texts("continuations")],
            ),
        }

    def tokenize(self, texts):
        """Texts to token ids; see `export_saved_model`."""
        ids = self.encoding.encode(texts)
        return {
            "token_ids": ids.to_tensor(0),
            "lengths": tf.cast(ids.row_lengths(), tf.int32),
        }

    def generate(
        self, prompts, max_new_tokens, temperature, top_k, top_p, seed, stop
    ):
        """Prompts to what follows them; see `export_saved_model`."""
        max_new_tokens = _at_least_one(max_new_tokens)
        ids = self.encoding.encode(prompts)
        lengths = _not_empty(tf.cast(ids.row_lengths(), tf.int32))
        longest = tf.reduce_max(lengths) + max_new_tokens
        room = self._if_it_fits(max_new_tokens, longest)
        token_ids = tf.pad(ids.to_tensor(0), ((0, 0), (0, room)))
        total = tf.shape(token_ids)[1]
        token_ids, mask = continue_tokens(
            self._backbone,
            token_ids,
            tf.sequence_mask(lengths, total),
            self._end_token_id,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            seed=seed,
        )
        # Shorter prompts were continued as far as the longest.
        ends = (lengths + max_new_tokens)[:, tf.newaxis]
        positions = tf.range(total)[tf.newaxis]
        is_answer = mask & (positions >= lengths[:, tf.newaxis])
        is_answer &= positions < ends
        is_end = is_answer & (token_ids == self._end_token_id)
        answers = tf.ragged.boolean_mask(token_ids, is_answer & ~is_end)
        texts = self.encoding.decode(answers, errors="replace")
        texts, was_cut = _cut_at(texts, stop)
        has_stopped = was_cut | tf.reduce_any(is_end, axis=1)
        return {
            "texts": texts,
            "num_tokens": tf.cast(answers.row_lengths(), tf.int32),
            "finish_reason": tf.where(has_stopped, "stop", "length"),
        }

    def score(self, contexts, continuations):
        """Log-likelihoods of continuations; see `export_saved_model`."""
        contexts = self.encoding.encode(contexts)
        # From nothing, a text follows the end of another.
        is_empty = contexts.row_lengths() == 0
        ends = tf.fill((tf.size(is_empty), 1), self._end_token_id)
        starts = tf.ragged.boolean_mask(ends, is_empty[:, tf.newaxis])
        contexts = tf.concat([starts, contexts], axis=1)
        continuations = self.encoding.encode(continuations)
        new = _not_empty(tf.cast(continuations.row_lengths(), tf.int32))
        ids = tf.concat([contexts, continuations], axis=1)
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        # The last token is predicted, not read.
        longest = tf.reduce_max(lengths) - 1
        token_ids = self._if_it_fits(ids.to_tensor(0), longest)
        inputs = {
            "token_ids": token_ids[:, :-1],
            "padding_mask": tf.sequence_mask(
                lengths - 1, tf.shape(token_ids)[1] - 1
            ),
        }
        logs, is_highest = log_probabilities_under_head(
            self._backbone(inputs, training=False),
            self._backbone.logits,
            self._backbone.vocabulary_size,
            token_ids[:, 1:],
        )
        positions = tf.range(tf.shape(token_ids)[1] - 1)[tf.newaxis]
        last = (lengths - 1)[:, tf.newaxis]
        is_new = (positions < last) & (positions >= last - new[:, tf.newaxis])
        return {
            "log_likelihood": tf.reduce_sum(tf.where(is_new, logs, 0.0), 1),
            "is_greedy": tf.reduce_all(is_highest | ~is_new, axis=1),
        }

    def _if_it_fits(self, x, length):
        """A tensor behind the check that the context holds a length."""
        context = self._backbone.max_sequence_length
        return assert_in_graph(
            x,
            length <= context,
            # An apostrophe would be printed with a backslash.
            "Prompt and answer must fit the context of "
            f"{context} tokens. Received: tokens=",
            length,
            ". Shorten the prompt, or ask for fewer.",
        )


def _at_least_one(max_new_tokens):
    return assert_in_graph(
        max_new_tokens,
        max_new_tokens >= 1,
        "max_new_tokens must be at least 1. Received: max_new_tokens=",
        max_new_tokens,
        ". Use the signature tokenize to generate nothing.",
    )


def _not_empty(lengths):
    return assert_in_graph(
        lengths,
        tf.reduce_all(lengths > 0),
        "A text must have at least one token. Received: length=",
        tf.reduce_min(lengths),
        ". Leave empty ones out.",
    )


def _cut_at(texts, stop):
    """Texts up to the first of the stop strings, and which were cut."""

    def cut(index, shortest, was_cut):
        # From the whole text: another stop string may have cut this one apart.
        pieces = tf.strings.split(texts, stop[index])
        first = tf.reshape(pieces.to_tensor("")[:, :1], tf.shape(texts))
        is_shorter = tf.strings.length(first) < tf.strings.length(shortest)
        shortest = tf.where(is_shorter, first, shortest)
        return index + 1, shortest, was_cut | (pieces.row_lengths() > 1)

    stop = assert_in_graph(
        stop,
        tf.reduce_all(tf.strings.length(stop) > 0),
        "Stop strings must not be empty. Received: stop=",
        stop,
        ". Leave the empty one out.",
    )
    was_cut = tf.zeros(tf.shape(texts), tf.bool)
    _, shortest, was_cut = tf.while_loop(
        lambda index, *_: index < tf.size(stop),
        cut,
        (tf.constant(0), texts, was_cut),
    )
    return shortest, was_cut


def _texts(name):
    return tf.TensorSpec((None,), tf.string, name=name)


def _scalar(name, dtype):
    return tf.TensorSpec((), dtype, name=name)
