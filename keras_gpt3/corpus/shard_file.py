"""One shard of a corpus, written whole or not at all."""

import hashlib
import pathlib

import numpy as np

from keras_gpt3.data.shard_record import ShardRecord
from keras_gpt3.replaced_file import replaced_file


def write_shard(folder, number, dtype, documents, tfrecord=False):
    """Writes documents as a shard of the package's format."""
    path = pathlib.Path(folder, f"tokens-{number:05d}.{dtype}")
    digest, num_tokens = hashlib.sha256(), 0
    with replaced_file(path) as file:
        for tokens in documents:
            data = np.asarray(tokens, np.dtype(dtype).newbyteorder("<"))
            file.write(data)
            digest.update(data)
            num_tokens += len(data)
    if tfrecord:
        _write_tfrecord(path.with_suffix(".tfrecord"), documents)
    return ShardRecord(
        path.name, num_tokens, len(documents), digest.hexdigest()
    )


def _write_tfrecord(path, documents):
    import tensorflow as tf

    with (
        replaced_file(path) as file,
        tf.io.TFRecordWriter(file.name) as writer,
    ):
        for tokens in documents:
            ids = tf.train.Int64List(value=np.asarray(tokens).tolist())
            feature = {"token_ids": tf.train.Feature(int64_list=ids)}
            example = tf.train.Example(
                features=tf.train.Features(feature=feature)
            )
            writer.write(example.SerializeToString(deterministic=True))
