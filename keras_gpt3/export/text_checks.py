"""Refuses texts that no signature can answer. TensorFlow only."""

import tensorflow as tf

from keras_gpt3.export.per_row_options import check_rows
from keras_gpt3.generation.prompt_messages import EMPTY_PROMPT
from keras_gpt3.ops.graph_assertion import assert_in_graph


def check_some_texts(texts):
    """Makes texts carry a check that there is one."""
    number = tf.size(texts)
    return assert_in_graph(
        texts,
        number > 0,
        "A request must hold at least one text. Received: texts=",
        number,
        ". Pass one or more.",
    )


def as_many_contexts(contexts, number):
    """Brings contexts to one for each continuation."""
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
    """The tokens of prompts, behind a check that each has one."""
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    return check_rows(lengths, lengths > 0, lengths, EMPTY_PROMPT)


def continuation_lengths(ids):
    """The tokens of continuations, behind a check that each has one."""
    lengths = tf.cast(ids.row_lengths(), tf.int32)
    rows = tf.range(tf.shape(lengths)[0])
    message = (
        "continuation must have at least one token. Received: continuation ",
        " with 0 tokens. Move the end of its context to it.",
    )
    return check_rows(lengths, lengths > 0, rows, message)
