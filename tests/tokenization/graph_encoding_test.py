import pytest
import tensorflow as tf

from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization.graph_encoding import decode_in_graph
from keras_gpt3.tokenization.graph_encoding import encode_in_graph
from keras_gpt3.tokenization.graph_encoding import in_graph
from tests.tokenization.small_vocabulary import small_vocabulary

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
        r"`inputs` must be a string tensor of rank 0 or 1\. Received: "
        r"inputs\.shape=\(1, 1\)\. Map"
    )
    with pytest.raises(ValueError, match=message):
        encode_in_graph(encoding.encode_batch, tf.constant([["a"]]))
    message = (
        r"`inputs` must be token ids of rank 1 or 2\. Received: "
        r"inputs\.shape=\(\)\. Pass"
    )
    with pytest.raises(ValueError, match=message):
        decode_in_graph(encoding.decode, tf.constant(5))


def test_text_that_is_no_utf_8_is_named(encoding):
    texts = tf.data.Dataset.from_tensors([b"\xff"])
    ids = texts.map(lambda x: encode_in_graph(encoding.encode_batch, x))
    with pytest.raises(tf.errors.InvalidArgumentError, match="byte 0xFF at"):
        list(ids)
