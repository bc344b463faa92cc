import pytest
import tensorflow as tf

from keras_gpt3.ops.graph_assertion import one_line_errors
from keras_gpt3.tokenization.graph_tables import check_decode_arguments
from keras_gpt3.tokenization.graph_tables import join_tokens
from keras_gpt3.tokenization.graph_tables import to_ragged
from keras_gpt3.tokenization.graph_tables import token_table

BYTES = {0: b"a", 2: b"\xc3", 3: b"\xa9\n", 5: b"\x00 "}
CUT = tf.function(
    to_ragged,
    input_signature=[
        tf.TensorSpec([None, None], tf.int64),
        tf.TensorSpec([None], tf.int64),
    ],
)


@pytest.fixture(scope="module")
def join(tmp_path_factory):
    table = token_table(BYTES, tmp_path_factory.mktemp("files"))
    return tf.function(
        lambda ids: join_tokens(ids, table, vocabulary_size=6),
        input_signature=[
            tf.RaggedTensorSpec([None, None], tf.int64, ragged_rank=1)
        ],
    )


@pytest.mark.parametrize(
    "rows", [[], [[]], [[0, 2, 3, 5], [], [2], [5, 5, 0], []]]
)
def test_joins_the_bytes_of_each_row(join, rows):
    ids = tf.ragged.constant(rows, tf.int64, ragged_rank=1)
    assert join(ids).numpy().tolist() == [
        b"".join(BYTES[id] for id in row) for row in rows
    ]


@pytest.mark.parametrize(
    ("rows", "id"), [([[0, 6], [-1]], 6), ([[0], [-1]], -1), ([[2, 4]], 4)]
)
def test_the_first_unknown_id_is_named(join, rows, id):
    message = (
        r"Token ids must be in the vocabulary, from 0 to 5\. Received: "
        rf"id={id}\. Use the tokenizer that made the ids\."
    )
    with pytest.raises(ValueError, match=message), one_line_errors():
        join(tf.ragged.constant(rows, tf.int64))


@pytest.mark.parametrize("lengths", [[0, 0], [3, 3], [0, 2], [1, 0]], ids=str)
def test_rows_are_cut_to_their_lengths(lengths):
    rows = [[1, 0, 2], [0, 3, 0]]
    cut = CUT(tf.constant(rows, tf.int64), tf.constant(lengths, tf.int64))
    assert cut.to_list() == [
        row[:length] for row, length in zip(rows, lengths, strict=True)
    ]


def test_no_rows_at_all():
    ids = tf.zeros([0, 3], tf.int64)
    assert CUT(ids, tf.zeros([0], tf.int64)).to_list() == []


@pytest.mark.parametrize(
    ("lengths", "message"),
    [
        (
            [1, 4, 5],
            r"Lengths must be from 0 to the width of `ids`\. Received: "
            r"length=4\. Count the ids of each row\.",
        ),
        ([-1, 3, 4], r"Received: length=-1\."),
        (
            [1, 2],
            r"`lengths` must have one entry for each row of `ids`\. Received: "
            r"2 of them\. Count the ids of each row\.",
        ),
        ([1, 2, 3, 3], r"Received: 4 of them\."),
    ],
)
def test_wrong_lengths_raise_one_line(lengths, message):
    ids = tf.zeros([3, 3], tf.int64)
    with pytest.raises(ValueError, match=message), one_line_errors():
        CUT(ids, tf.constant(lengths, tf.int64))


@pytest.mark.parametrize(
    ("ids", "lengths", "errors", "message"),
    [
        (
            tf.constant([1, 2]),
            None,
            None,
            r"`ids` must be an integer tensor of rank 2\. Received: "
            r"ids\.shape=\(2,\), ids\.dtype=int32\. Pass a batch of token ids",
        ),
        (
            tf.constant([[1.0]]),
            None,
            None,
            r"Received: ids\.shape=\(1, 1\), ids\.dtype=float32\.",
        ),
        (
            tf.ragged.constant([[5]]),
            [1],
            None,
            r"Ragged `ids` have lengths of their own\. Received: "
            r"lengths=\[1\]\. Leave `lengths` out",
        ),
        (
            tf.constant([[5]]),
            [1],
            "strict",
            r"`errors` must be None, 'replace' or 'ignore'\. Received: "
            r"errors='strict'\. Use None to keep",
        ),
    ],
)
def test_arguments_that_do_not_fit_raise(ids, lengths, errors, message):
    with pytest.raises(ValueError, match=message):
        check_decode_arguments(ids, lengths, errors)


@pytest.mark.parametrize("errors", [None, "replace", "ignore"])
def test_arguments_that_fit_pass(errors):
    check_decode_arguments(tf.constant([[5]]), [1], errors)
    check_decode_arguments(tf.ragged.constant([[5]]), None, errors)
