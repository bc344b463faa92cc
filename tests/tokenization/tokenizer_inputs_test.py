import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization.tokenizer_inputs import decode_in_graph
from keras_gpt3.tokenization.tokenizer_inputs import encode_in_graph
from keras_gpt3.tokenization.tokenizer_inputs import in_graph
from keras_gpt3.tokenization.tokenizer_inputs import to_id_sequences
from keras_gpt3.tokenization.tokenizer_inputs import to_texts
from tests.tokenization.small_vocabulary import small_vocabulary

# === Graph encoding ===


TEXTS = ["hello world", "", "é\n\n", "a<|endoftext|>"]


@pytest.fixture(scope="module")
def encoding():
    return BytePairEncoding(*small_vocabulary())


def test_knows_where_it_is():
    assert not in_graph()
    assert tf.function(lambda: tf.constant(in_graph()))()


def test_a_batch_gives_what_python_gives(encoding):
    @tf.function
    def round_trip(texts):
        ids = encode_in_graph(encoding.encode_batch, texts, "int64")
        return ids, decode_in_graph(encoding.decode, ids)

    ids, texts = round_trip(tf.constant(TEXTS))
    assert ids.dtype == tf.int64
    assert ids.to_list() == encoding.encode_batch(TEXTS)
    assert [text.decode() for text in texts.numpy()] == TEXTS


def test_a_scalar_gives_a_dense_tensor(encoding):
    @tf.function
    def round_trip(text):
        ids = encode_in_graph(encoding.encode_batch, text)
        return ids, decode_in_graph(encoding.decode, ids)

    ids, text = round_trip(tf.constant(TEXTS[0]))
    assert ids.numpy().tolist() == encoding.encode(TEXTS[0])
    assert text.numpy().decode() == TEXTS[0]


def test_decodes_a_dense_batch(encoding):
    ids = tf.constant([encoding.encode("ab"), encoding.encode("cd")])
    texts = tf.function(lambda x: decode_in_graph(encoding.decode, x))(ids)
    assert texts.numpy().tolist() == [b"ab", b"cd"]


@pytest.mark.parametrize("batch", [[], [""], ["", ""]])
def test_empty_batches(encoding, batch):
    texts = tf.constant(batch, tf.string)
    ids = encode_in_graph(encoding.encode_batch, texts)
    assert ids.to_list() == [[] for _ in batch]
    assert decode_in_graph(encoding.decode, ids).numpy().tolist() == [
        text.encode() for text in batch
    ]


def test_shapes_are_static(encoding):
    texts = tf.data.Dataset.from_tensor_slices(TEXTS)

    def spec(dataset):
        return dataset.map(
            lambda x: encode_in_graph(encoding.encode_batch, x)
        ).element_spec

    assert spec(texts).shape.as_list() == [None]
    assert spec(texts.batch(2)).shape.as_list() == [None, None]
    batches = texts.batch(2, drop_remainder=True)
    assert spec(batches).shape.as_list() == [2, None]
    assert spec(batches).ragged_rank == 1


def test_refuses_other_ranks(encoding):
    message = (
        r"inputs must be a string tensor of rank 0 or 1\. Received: "
        r"inputs\.shape=\(1, 1\)\. Map"
    )
    with pytest.raises(ValueError, match=message):
        encode_in_graph(encoding.encode_batch, tf.constant([["a"]]))
    message = (
        r"inputs must be token ids of rank 1 or 2\. Received: "
        r"inputs\.shape=\(\)\. Pass"
    )
    with pytest.raises(ValueError, match=message):
        decode_in_graph(encoding.decode, tf.constant(5))


def test_text_that_is_no_utf_8_is_named(encoding):
    texts = tf.data.Dataset.from_tensors([b"\xff"])
    ids = texts.map(lambda x: encode_in_graph(encoding.encode_batch, x))
    with pytest.raises(tf.errors.InvalidArgumentError, match="byte 0xFF at"):
        list(ids)


# === Nested inputs ===


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
        r"inputs must be a string or a flat list of strings\. Received: "
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
