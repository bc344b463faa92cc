"""Tests of packing in the graph, against shards and plain lists."""

import re
import sys

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.data import pack
from keras_gpt3.data import packed_dataset
from keras_gpt3.data import write_token_shards

END = 299
LENGTHS = [0, 1, 5, 0, 0, 30, 2, 2, 7, 100, 3, 1]
DOCUMENTS = [
    np.random.default_rng(length).integers(0, END, length) for length in LENGTHS
]


def dataset_of(documents, dtype="int32", shape=(None,)):
    spec = tf.TensorSpec(shape, dtype)
    return tf.data.Dataset.from_generator(
        lambda: (document.astype(dtype) for document in documents),
        output_signature=spec,
    )


def rows_of(dataset):
    return [
        (inputs["token_ids"].tolist(), labels.tolist())
        for inputs, labels in dataset.as_numpy_iterator()
    ]


def pack_lists(documents, sequence_length):
    tokens = []
    for document in documents:
        tokens += [*document.tolist(), END]
    starts = range(0, len(tokens) - sequence_length, sequence_length)
    ends = [start + sequence_length for start in starts]
    return [
        [tokens[start:end], tokens[start + 1 : end + 1]]
        for start, end in zip(starts, ends, strict=True)
    ]


@pytest.mark.parametrize(
    ("sequence_length", "chunk"),
    [(1, 3), (2, 128), (7, 1), (7, 3), (162, 3), (163, 3), (500, 128)],
)
def test_packing_equals_joining_and_cutting_lists(
    monkeypatch, sequence_length, chunk
):
    module = sys.modules["keras_gpt3.data.packed_dataset"]
    monkeypatch.setattr(module, "_CHUNK_DOCUMENTS", chunk)
    packed = pack(dataset_of(DOCUMENTS), sequence_length, END)
    expected = pack_lists(DOCUMENTS, sequence_length)
    assert [list(row) for row in rows_of(packed)] == expected


def test_packing_gives_the_contexts_of_the_shards(tmp_path, tokenizer):
    texts = ["".join(map(chr, document)) for document in DOCUMENTS]
    shards = write_token_shards(texts, tmp_path, tokenizer, tokens_per_shard=20)
    from_shards = packed_dataset(shards, 9, batch_size=1, epochs=1).unbatch()
    from_graph = pack(dataset_of(DOCUMENTS), 9, END)
    assert sorted(rows_of(from_graph)) == sorted(rows_of(from_shards))


@pytest.mark.parametrize("dtype", ["uint16", "int32", "int64"])
@pytest.mark.parametrize("shape", [(None,), None])
@pytest.mark.quick_cases(2)
def test_any_integer_vectors_will_do(dtype, shape):
    packed = pack(dataset_of(DOCUMENTS, dtype, shape), 9, END)
    assert rows_of(packed) == rows_of(pack(dataset_of(DOCUMENTS), 9, END))


def test_documents_of_one_static_length_will_do():
    documents = np.arange(30).reshape(6, 5)
    packed = pack(tf.data.Dataset.from_tensor_slices(documents), 4, END)
    assert [list(row) for row in rows_of(packed)] == pack_lists(documents, 4)


def segments_of(token_ids):
    """The number of the document of each token, in plain Python."""
    segments, number = [], 1
    for token_id in token_ids:
        segments.append(number)
        number += token_id == END
    return segments


@pytest.mark.parametrize("sequence_length", [1, 7, 50])
def test_segments_end_with_the_end_of_text(sequence_length):
    packed, plain = (
        pack(
            dataset_of(DOCUMENTS),
            sequence_length,
            END,
            attend_across_documents=across,
        )
        for across in (False, True)
    )
    assert rows_of(packed) == rows_of(plain)
    for inputs, _ in packed.as_numpy_iterator():
        expected = segments_of(inputs["token_ids"].tolist())
        assert inputs["segment_ids"].tolist() == expected
    spec = tf.TensorSpec((sequence_length,), tf.int32)
    assert packed.element_spec[0]["segment_ids"] == spec


def test_an_endless_stream_packs():
    packed = pack(dataset_of(DOCUMENTS).repeat(), 9, END).take(100)
    expected = pack_lists(DOCUMENTS * 10, 9)[:100]
    assert [list(row) for row in rows_of(packed)] == expected


def test_elements_have_static_shapes_and_a_full_mask():
    packed = pack(dataset_of(DOCUMENTS), 9, END)
    inputs, labels = packed.element_spec
    assert inputs["token_ids"] == labels == tf.TensorSpec((9,), tf.int32)
    assert inputs["padding_mask"] == tf.TensorSpec((9,), tf.bool)
    assert all(np.all(inputs["padding_mask"]) for inputs, _ in packed)


@pytest.mark.parametrize(
    "dataset",
    [
        tf.data.Dataset.range(3),
        tf.data.Dataset.from_tensors([[1]]),
        tf.data.Dataset.from_tensors(["text"]),
        tf.data.Dataset.from_tensors({"token_ids": [1]}),
        tf.data.Dataset.from_tensors(tf.ragged.constant([[1]])),
    ],
)
def test_anything_but_integer_vectors_is_an_error(dataset):
    message = (
        "Documents must be integer vectors, one a dataset element. Received: "
        f"element_spec={dataset.element_spec}. Map the dataset to 1-D tensors "
        "of token ids."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        pack(dataset, 2, END)


@pytest.mark.parametrize("numbers", [(0, END), (2, -1)])
def test_a_number_out_of_range_is_an_error(numbers):
    with pytest.raises(ValueError, match="must be an integer of at least"):
        pack(dataset_of(DOCUMENTS), *numbers)
