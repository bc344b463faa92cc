import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization.graph.byte_pair_encoding import (
    GraphBytePairEncoding,
)
from tests.export import run_saved_model
from tests.models.keras_hub_fixtures import MERGES
from tests.models.keras_hub_fixtures import vocabulary
from tests.tokenization.small_vocabulary import small_vocabulary

TEXTS = ["hello world", "", "é\n\n", "a<|endoftext|>", "  the \u2003 world 12"]


@pytest.fixture(scope="module")
def encodings():
    arguments = small_vocabulary()
    return GraphBytePairEncoding(*arguments), BytePairEncoding(*arguments)


@pytest.fixture(scope="module")
def exported(encodings, tmp_path_factory):
    """What an export says in a process that has TensorFlow alone."""
    folder = tmp_path_factory.mktemp("tokenizer")
    export(encodings[0], folder / "model")
    texts = [text.encode() for text in TEXTS]
    ids = encodings[0].encode(TEXTS).to_tensor()
    np.savez(folder / "inputs.npz", texts=np.array(texts), ids=ids)
    request = {
        "scan": [str(folder / "model")],
        "folder": str(folder / "model"),
        "inputs": str(folder / "inputs.npz"),
        "outputs": str(folder / "outputs.npz"),
        "calls": [["encode", {}], ["decode", {"lengths": [0, 0, 1, 2, 3]}]],
    }
    done = subprocess.run(
        [sys.executable, run_saved_model.__file__, json.dumps(request)],
        check=True,
        stdout=subprocess.PIPE,
    )
    results = dict(np.load(folder / "outputs.npz", allow_pickle=True))
    return folder / "model", json.loads(done.stdout), results


def export(graph, folder):
    archive = keras.export.ExportArchive()
    archive.track(graph)
    for name, signature in signatures(graph).items():
        archive.add_endpoint(name, *signature)
    archive.write_out(str(folder), verbose=False)


def signatures(graph):
    """Name -> function and its arguments, as a server would offer them."""

    def encode(texts):
        ids = graph.encode(texts)
        return {"ids": ids.to_tensor(), "lengths": ids.row_lengths()}

    def decode(ids, lengths):
        return {
            "texts": graph.decode(ids, lengths),
            "shown": graph.decode(ids, lengths, errors="replace"),
        }

    return {
        "encode": (encode, [tf.TensorSpec([None], tf.string, "texts")]),
        "decode": (
            decode,
            [
                tf.TensorSpec([None, None], tf.int32, "ids"),
                tf.TensorSpec([None], tf.int32, "lengths"),
            ],
        ),
    }


@pytest.mark.slow
def test_an_export_holds_nothing_that_stock_serving_refuses(exported):
    folder, report, _ = exported
    assert report["refused"] == {str(folder): []}
    assert "tensorflow" in report["packages"]
    unwanted = {"keras_gpt3", "keras_hub", "tensorflow_text", "tiktoken"}
    assert not unwanted.intersection(report["packages"])


@pytest.mark.slow
def test_an_export_gives_the_same_ids_and_texts(exported, encodings):
    _, _, results = exported
    expected = encodings[1].encode_batch(TEXTS)
    assert results["0/lengths"].tolist() == [len(ids) for ids in expected]
    for got, ids in zip(results["0/ids"], expected, strict=True):
        assert got[: len(ids)].tolist() == ids
    decoded = [
        encodings[1].decode_bytes(ids[:length])
        for ids, length in zip(expected, [0, 0, 1, 2, 3], strict=True)
    ]
    assert results["1/texts"].tolist() == decoded
    assert [t.decode() for t in results["1/shown"]] == [
        text.decode(errors="replace") for text in decoded
    ]


def test_an_export_keeps_the_vocabulary_as_assets(exported):
    assets = {path.name for path in (exported[0] / "assets").iterdir()}
    assert assets == {"merge_pairs.txt", "token_bytes.txt"}


def test_an_export_runs_in_a_session_as_a_server_s(exported, encodings):
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        loaded = tf.compat.v1.saved_model.load(
            session, ["serve"], str(exported[0])
        )
        signature = loaded.signature_def["encode"]
        ids, lengths = session.run(
            [signature.outputs[name].name for name in ("ids", "lengths")],
            {signature.inputs["texts"].name: TEXTS},
        )
    rows = [row[:n].tolist() for row, n in zip(ids, lengths, strict=True)]
    assert rows == encodings[1].encode_batch(TEXTS)


def test_an_export_of_few_tokens_encodes_what_they_can_spell(tmp_path):
    arguments = vocabulary(), MERGES
    graph = GraphBytePairEncoding(*arguments)
    export(graph, tmp_path / "model")
    encode = tf.saved_model.load(tmp_path / "model").signatures["encode"]
    text = " airplane at airport<|endoftext|>"
    expected = BytePairEncoding(*arguments).encode(text)
    assert encode(texts=tf.constant([text]))["ids"][0].numpy().tolist() == (
        expected
    )
    with pytest.raises(tf.errors.InvalidArgumentError) as error:
        encode(texts=tf.constant([text, "a queue"]))
    assert "[0x71 (q)] [, which it lacks." in str(error.value)
