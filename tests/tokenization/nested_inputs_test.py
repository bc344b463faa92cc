import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.tokenization.graph_encoding import to_id_sequences
from keras_gpt3.tokenization.graph_encoding import to_texts


@pytest.mark.parametrize(
    "inputs", ["é", "é".encode(), np.array("é"), tf.constant("é")]
)
def test_reads_one_text(inputs):
    assert to_texts(inputs) == (["é"], False)


@pytest.mark.parametrize(
    "inputs",
    [
        ["é", "a"],
        ("é", b"a"),
        np.array(["é", "a"]),
        np.array(["é".encode(), "a"], dtype=object),
        tf.constant(["é", "a"]),
        ["é", tf.constant("a")],
    ],
)
def test_reads_a_batch_of_texts(inputs):
    assert to_texts(inputs) == (["é", "a"], True)


def test_reads_an_empty_batch():
    assert to_texts([]) == ([], True)


@pytest.mark.parametrize("inputs", [5, ["a", 5], [["a"]], None, {"a": 1}])
def test_refuses_what_is_no_text(inputs):
    message = (
        r"`inputs` must be a string or a flat list of strings\. Received: "
        r"inputs with .* \(.*\)\. Pass one text"
    )
    with pytest.raises(ValueError, match=message):
        to_texts(inputs)


def test_refuses_bytes_that_are_no_utf_8():
    message = (
        r"^Texts must be valid UTF-8\. Received: an invalid byte 0xFF at "
        r"position 1\. Replace it with U\+FFFD, or send the text as UTF-8\.$"
    )
    with pytest.raises(ValueError, match=message):
        to_texts([b"a", b"a\xff"])


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        (5, ([[5]], False)),
        (np.int32(5), ([[5]], False)),
        ([5, 6], ([[5, 6]], False)),
        ([np.int32(5), 6], ([[5, 6]], False)),
        ([], ([[]], False)),
        ([[5, 6], [7]], ([[5, 6], [7]], True)),
        ([[], [7]], ([[], [7]], True)),
        ([np.array([5, 6]), np.array([7])], ([[5, 6], [7]], True)),
        (np.array([5, 6]), ([[5, 6]], False)),
        (np.array([[5, 6]]), ([[5, 6]], True)),
        (tf.constant([5, 6]), ([[5, 6]], False)),
        (tf.constant([[5, 6]]), ([[5, 6]], True)),
        (tf.ragged.constant([[5, 6], [7]]), ([[5, 6], [7]], True)),
        (tf.ragged.constant([[5], [7]]), ([[5], [7]], True)),
    ],
)
def test_reads_ids(inputs, expected):
    assert to_id_sequences(inputs) == expected
