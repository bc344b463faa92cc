import numpy as np
import pytest

from keras_gpt3.corpus.shard.write_buckets import write_shard
from keras_gpt3.data.shard_manifest import ShardManifest
from keras_gpt3.data.shard_writer import ShardWriter

DOCUMENTS = [[5, 6, 7, 50256], [50256], [8, 50256]]


@pytest.mark.parametrize("dtype", ["uint16", "uint32"])
def test_it_is_what_the_package_s_own_writer_writes(tmp_path, dtype):
    record = write_shard(tmp_path / "a", 0, dtype, DOCUMENTS)
    with ShardWriter(tmp_path / "b", dtype, 1000) as writer:
        for document in DOCUMENTS:
            writer.append(document)
        writer.commit(50256, 50257)
    assert (record,) == ShardManifest.read(tmp_path / "b").shards
    one, other = (tmp_path / name / record.file_name for name in "ab")
    assert one.read_bytes() == other.read_bytes()
    record.verify(tmp_path / "a", dtype, 50256, 50257)


def test_documents_are_examples_of_a_tfrecord_file_too(tmp_path):
    import tensorflow as tf

    write_shard(tmp_path, 12, "uint16", DOCUMENTS, tfrecord=True)
    path = tmp_path / "tokens-00012.tfrecord"
    feature = {"token_ids": tf.io.VarLenFeature(tf.int64)}
    found = [
        tf.io.parse_single_example(record, feature)["token_ids"].values
        for record in tf.data.TFRecordDataset(str(path))
    ]
    assert [ids.numpy().tolist() for ids in found] == DOCUMENTS
    assert len(list(tmp_path.iterdir())) == 2


def test_what_breaks_off_leaves_nothing(tmp_path):
    with pytest.raises(OverflowError):
        write_shard(tmp_path, 0, "uint16", [np.array([1]), [2**20]])
    assert list(tmp_path.iterdir()) == []
