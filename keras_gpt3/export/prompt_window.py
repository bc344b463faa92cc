"""Texts that fit the context, or are made to fit. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.export.per_row_options import check_rows
from keras_gpt3.generation.prompt_messages import too_long_message


def fit_prompts(
    token_ids, lengths, max_new_tokens, truncates, context, num_starts=0
):
    """Leaves room for the answers of prompts."""
    # A request for very many tokens must not come round to few.
    room = context - tf.cast(max_new_tokens, tf.int64)
    wanted = tf.cast(lengths, tf.int64)
    kept = tf.minimum(wanted, tf.maximum(room, 1))
    kept = tf.where(truncates, kept, wanted)
    total = kept + context - room
    kept = check_rows(kept, kept <= room, total, too_long_message(context))
    kept = tf.cast(kept, tf.int32)
    return last_tokens(token_ids, lengths, kept, num_starts), kept


def fit_contexts(contexts, continuations, truncates, window, num_starts=0):
    """Leaves room for the continuations of contexts, which are scored.

    The last token is predicted, not read: both may have one token more than
    the window.
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
    """Drops the first tokens of rows, as `truncate_left` does of a list."""
    mask = tf.sequence_mask(kept)
    places = tf.range(tf.shape(mask)[1])
    moved_places = (lengths - kept)[:, tf.newaxis] + places
    places = tf.where(places < num_starts, places, moved_places)
    moved = tf.gather(token_ids, tf.where(mask, places, 0), batch_dims=1)
    return tf.where(mask, moved, 0)
