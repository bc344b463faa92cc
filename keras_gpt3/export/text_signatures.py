"""Signatures on texts. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.export.graph_stop_strings import CriteriaState
from keras_gpt3.export.graph_stop_strings import StoppingCriteria
from keras_gpt3.export.graph_stop_strings import stop_rows
from keras_gpt3.export.per_row_options import check_rows
from keras_gpt3.export.per_row_options import draw_rows
from keras_gpt3.export.per_row_options import endpoint
from keras_gpt3.export.per_row_options import integer_rows
from keras_gpt3.export.per_row_options import option_defaults
from keras_gpt3.export.per_row_options import truncates_left
from keras_gpt3.export.token_signatures import decode_prompts
from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.generation.prompt_messages import MAX_NEW_TOKENS
from keras_gpt3.generation.prompt_messages import too_long_message
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.log_probabilities import log_probabilities_under_head
from keras_gpt3.tokenization.graph.byte_pair_encoding import (
    GraphBytePairEncoding,
)


class TextSignatures:
    """Functions of strings, to be traced into a SavedModel.

    All options are one value for all rows, or one for each. A row's answer does
    not depend on the other rows.
    """

    def __init__(self, model):
        preprocessor = model.preprocessor
        tokenizer = preprocessor.tokenizer
        self.encoding = GraphBytePairEncoding(
            tokenizer.encoding.vocabulary,
            tokenizer.encoding.merges,
            tokenizer.encoding.special_tokens,
            tokenizer.split_special_tokens,
        )
        self.end_token_id = tokenizer.end_token_id
        self._start_token_id = tokenizer.start_token_id
        # The live model puts it before prompts as well.
        self._start_token_ids = (
            [tokenizer.start_token_id] if preprocessor.add_start_token else []
        )
        self._backbone = model.backbone

    def endpoints(self):
        """The functions and their specs, by name."""
        ids = tf.TensorSpec((None, None), tf.int32, name="token_ids")
        lengths = tf.TensorSpec((None,), tf.int32, name="lengths")
        return {
            "generate": endpoint(
                self.generate, [_texts("prompts")], *option_defaults()
            ),
            "score": endpoint(
                self.score,
                [_texts("contexts"), _texts("continuations")],
                "truncate",
            ),
            "tokenize": (self.tokenize, [_texts("texts")]),
            "detokenize": (self.detokenize, [ids, lengths]),
        }

    def tokenize(self, texts):
        """Token ids of texts; see `export_saved_model`."""
        ids = self.encoding.encode(texts)
        answer = {
            "token_ids": ids.to_tensor(0),
            "lengths": tf.cast(ids.row_lengths(), tf.int32),
        }
        if self._start_token_ids:
            answer["start_token_ids"] = self._starts(tf.size(texts))
        return answer

    def detokenize(self, token_ids, lengths):
        """Bytes of token ids; see `export_saved_model`."""
        return {"texts": self.encoding.decode(token_ids, lengths)}

    def generate(self, prompts, max_new_tokens, truncate, stop, **settings):
        """Answers to prompts; see `export_saved_model`.

        An answer ends with the token that completes a stop string, which
        counts in `num_tokens`, unlike the end of text; the text ends where the
        string begins. `num_prompt_tokens` leaves out what `truncate` dropped.
        """
        state, lengths = self.decode(
            prompts, max_new_tokens, truncate, stop, **settings
        )
        answers = CriteriaState(*state.criteria_state)
        positions = tf.range(tf.shape(state.token_ids)[1])
        is_answer = positions >= lengths[:, tf.newaxis]
        is_answer &= positions < (lengths + answers.num_tokens)[:, tf.newaxis]
        is_end = is_answer & (state.token_ids == self.end_token_id)
        is_text = is_answer & ~self.encoding.is_special(state.token_ids)
        texts = self.encoding.decode(
            tf.ragged.boolean_mask(state.token_ids, is_text)
        )
        was_cut = answers.cuts >= 0
        sizes = tf.where(was_cut, answers.cuts, tf.strings.length(texts))
        texts = tf.strings.substr(texts, tf.zeros_like(sizes), sizes)
        has_stopped = was_cut | tf.reduce_any(is_end, axis=1)
        return {
            # A model may end in the middle of a multi-byte character.
            "texts": tf.strings.unicode_transcode(
                texts, "UTF-8", "UTF-8", "replace"
            ),
            "num_tokens": tf.math.count_nonzero(
                is_answer & ~is_end, axis=1, dtype=tf.int32
            ),
            "num_prompt_tokens": lengths,
            "finish_reason": tf.where(has_stopped, "stop", "length"),
        }

    def decode(self, prompts, max_new_tokens, truncate, stop, **settings):
        """Run the loop of `generate`."""
        ids = self._prompt_ids(check_some_texts(prompts))
        batch_size = tf.shape(prompts)[0]
        max_new_tokens = integer_rows(
            "max_new_tokens", max_new_tokens, batch_size, 1, MAX_NEW_TOKENS
        )
        settings = draw_rows(settings, batch_size)
        token_ids, lengths = fit_prompts(
            ids.to_tensor(0),
            prompt_lengths(ids),
            max_new_tokens,
            truncates_left(truncate, batch_size),
            self._backbone.max_sequence_length,
            len(self._start_token_ids),
        )
        total = tf.reduce_max(lengths + max_new_tokens)
        room = total - tf.shape(token_ids)[1]
        criteria = StoppingCriteria(
            self.encoding, stop_rows(stop, batch_size), max_new_tokens
        )
        state = decode_prompts(
            self._backbone,
            tf.pad(token_ids, [[0, 0], [0, room]]),
            tf.sequence_mask(lengths, total),
            self.end_token_id,
            lambda logits, index: choose_token(logits, index, **settings),
            criteria,
            criteria.initial_state(),
            self.encoding.vocabulary_size,
        )
        return state, lengths

    def score(self, contexts, continuations, truncate):
        """Log-likelihoods of continuations; see `export_saved_model`."""
        continuations = self.encoding.encode(check_some_texts(continuations))
        new = continuation_lengths(continuations)
        batch_size = tf.shape(new)[0]
        contexts = fit_contexts(
            self._contexts(contexts, batch_size),
            continuations,
            truncates_left(truncate, batch_size),
            self._backbone.max_sequence_length,
            len(self._start_token_ids),
        )
        ids = tf.concat([contexts, continuations], axis=1)
        # The last token is predicted, not read.
        last = tf.cast(ids.row_lengths(), tf.int32) - 1
        token_ids = ids.to_tensor(0)
        mask = tf.sequence_mask(last, tf.shape(token_ids)[1] - 1)
        inputs = {"token_ids": token_ids[:, :-1], "padding_mask": mask}
        logs, is_highest = log_probabilities_under_head(
            self._backbone(inputs, training=False),
            self._backbone.logits,
            self._backbone.vocabulary_size,
            token_ids[:, 1:],
        )
        is_new = tf.range(tf.shape(mask)[1]) >= (last - new)[:, tf.newaxis]
        is_new &= mask
        return {
            "log_likelihood": tf.reduce_sum(tf.where(is_new, logs, 0.0), 1),
            "is_greedy": tf.reduce_all(is_highest | ~is_new, axis=1),
            "num_tokens": new,
        }

    def _prompt_ids(self, texts):
        """Ids of texts, the start token before each if there is one."""
        starts = tf.RaggedTensor.from_tensor(self._starts(tf.size(texts)))
        return tf.concat([starts, self.encoding.encode(texts)], axis=1)

    def _starts(self, batch_size):
        """The start tokens of prompts, int32 `(batch, 0 or 1)`."""
        row = tf.constant(self._start_token_ids, tf.int32)
        return tf.tile(row[tf.newaxis], [batch_size, 1])

    def _contexts(self, texts, batch_size):
        """Ids of contexts; an empty one is the end of another text."""
        contexts = self._prompt_ids(as_many_contexts(texts, batch_size))
        is_empty = contexts.row_lengths() == 0
        ends = tf.fill((tf.size(is_empty), 1), self._start_token_id)
        starts = tf.ragged.boolean_mask(ends, is_empty[:, tf.newaxis])
        return tf.concat([starts, contexts], axis=1)


def _texts(name):
    return tf.TensorSpec((None,), tf.string, name=name)


def fit_prompts(
    token_ids, lengths, max_new_tokens, truncates, context, num_starts=0
):
    """Leave room for the answers of prompts."""
    # A request for very many tokens must not overflow.
    room = context - tf.cast(max_new_tokens, tf.int64)
    wanted = tf.cast(lengths, tf.int64)
    kept = tf.minimum(wanted, tf.maximum(room, 1))
    kept = tf.where(truncates, kept, wanted)
    total = kept + context - room
    kept = check_rows(kept, kept <= room, total, too_long_message(context))
    kept = tf.cast(kept, tf.int32)
    return last_tokens(token_ids, lengths, kept, num_starts), kept


def fit_contexts(contexts, continuations, truncates, window, num_starts=0):
    """Leave room for the continuations that are scored.

    The last token is predicted, not read: together they may have one token
    more than the window.
    """
    new = tf.cast(continuations.row_lengths(), tf.int32)
    lengths = tf.cast(contexts.row_lengths(), tf.int32)
    too_long = (
        f"continuation must have at most max_sequence_length={window} tokens. "
        "Received: ",
        " tokens. Score it in parts.",
    )
    room = check_rows(window + 1 - new, new <= window, new, too_long)
    kept = tf.where(truncates, tf.minimum(lengths, room), lengths)
    both = tf.strings.as_string(lengths), tf.strings.as_string(new)
    kept = check_rows(
        kept,
        kept <= room,
        tf.strings.join(both, separator=" + "),
        (
            "context and continuation must have at most "
            f"max_sequence_length + 1 = {window + 1} tokens. Received: ",
            " tokens. Shorten the context, or set truncate to left.",
        ),
    )
    token_ids = last_tokens(contexts.to_tensor(0), lengths, kept, num_starts)
    return tf.RaggedTensor.from_tensor(token_ids, lengths=kept)


def last_tokens(token_ids, lengths, kept, num_starts=0):
    """Drop the first tokens of rows, as `truncate_left` does of a list."""
    mask = tf.sequence_mask(kept)
    places = tf.range(tf.shape(mask)[1])
    moved_places = (lengths - kept)[:, tf.newaxis] + places
    places = tf.where(places < num_starts, places, moved_places)
    moved = tf.gather(token_ids, tf.where(mask, places, 0), batch_dims=1)
    return tf.where(mask, moved, 0)


def check_some_texts(texts):
    """Add a check that there is at least one text."""
    number = tf.size(texts)
    return assert_in_graph(
        texts,
        number > 0,
        "A request must hold at least one text. Received: texts=",
        number,
        ". Pass one or more.",
    )


def as_many_contexts(contexts, number):
    """Broadcast contexts to one for each continuation."""
    counts = tf.size(contexts), number
    words = [tf.strings.as_string(count) for count in counts]
    contexts = assert_in_graph(
        contexts,
        (counts[0] == counts[1]) | (counts[0] == 1),
        "context must have one entry for each continuation. Received: ",
        tf.strings.join(["contexts=", words[0], ", continuations=", words[1]]),
        ". Pass lists of equal length, or a single context.",
    )
    return tf.broadcast_to(contexts, [number])


def prompt_lengths(ids):
    """The numbers of tokens of prompts, with a check that each has one."""
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    return check_rows(lengths, lengths > 0, lengths, EMPTY_PROMPT)


def continuation_lengths(ids):
    """The numbers of tokens of continuations; each must have one."""
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    rows = tf.range(tf.shape(lengths)[0])
    message = (
        "continuation must have at least one token. Received: continuation ",
        " with 0 tokens. Move the end of its context to it.",
    )
    return check_rows(lengths, lengths > 0, rows, message)
