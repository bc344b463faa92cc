"""Gathers the tokens of all parts into shards, in shuffled order."""

import dataclasses
import pathlib

import numpy as np

from keras_gpt3.atomic_write import atomic_write
from keras_gpt3.corpus.pipeline.corpus_pipeline import run_parts
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.shard.tokenize_part import shuffled_documents
from keras_gpt3.corpus.shard.tokenize_part import tokens_path
from keras_gpt3.data.shard_manifest import MANIFEST_NAME
from keras_gpt3.data.shard_manifest import ShardManifest
from keras_gpt3.data.shard_manifest import ShardRecord
from keras_gpt3.data.shard_writer import ShardFile

VALIDATION = "validation"
BUCKETS = "buckets"
_SIDES = ("", VALIDATION)


@dataclasses.dataclass(frozen=True)
class WriteBucket:
    """Writes a bucket of the order as one shard, or two if some is held out."""

    folder: str
    num_parts: dict
    dtype: str
    tfrecord: bool

    def __call__(self, part):
        bucket, num_buckets = map(int, part.input.split("/"))
        paths = [
            tokens_path(self.folder, part.source, f"part-{number:05}")
            for number in range(self.num_parts[part.source])
        ]
        documents = shuffled_documents(paths, self.dtype, bucket, num_buckets)
        records = {}
        for side in _SIDES:
            chosen = [
                tokens
                for _, tokens, is_held_out in documents
                if is_held_out == (side == VALIDATION)
            ]
            if chosen:
                record = write_shard(
                    pathlib.Path(self.folder, part.source, side),
                    bucket,
                    self.dtype,
                    chosen,
                    self.tfrecord,
                )
                records[side] = dataclasses.asdict(record)
        return records


def write_buckets(stage, dtype, settings, options, verbose):
    """Write the shards of all sources."""
    tokens, num_parts = {}, {}
    for part, counts in stage.part_counts():
        source = part.source
        tokens[source] = tokens.get(source, 0) + counts["tokens"]
        num_parts[source] = num_parts.get(source, 0) + 1
    inputs = [
        # Any document may stand in any bucket.
        StageInput(source, f"{bucket}/{number}", stage.digest)
        for source, count in tokens.items()
        for number in [max(1, -(-count // settings.tokens_per_shard))]
        for bucket in range(number)
    ]
    known = dataclasses.asdict(settings) | {"tokens": tokens}
    buckets = Stage("buckets", stage.folder / BUCKETS, inputs, known)
    # Buckets of another number are of no use.
    buckets.start(overwrite=True)
    run_parts(
        WriteBucket(str(stage.folder), num_parts, dtype, settings.tfrecord),
        buckets.parts,
        options,
        "shard",
        verbose,
    )
    records = {}
    for part, counts in buckets.part_counts():
        sides = records.setdefault(part.source, {})
        for side, fields in counts.items():
            sides.setdefault(side, []).append(ShardRecord(**fields))
    return records


def remove_manifests(folder):
    """Remove the manifests of all sources, before their shards change."""
    for path in _manifests(folder):
        path.unlink()


def shards_are_whole(folder, sources):
    """Whether the shards of all manifests are there, as long as they were."""
    paths = _manifests(folder)
    names = {path.relative_to(folder).parts[0] for path in paths}
    return names >= set(sources) and all(map(_is_whole, paths))


def _manifests(folder):
    """The paths of those that there are."""
    folder = pathlib.Path(folder)
    paths = (
        folder.glob(f"*/{MANIFEST_NAME}"),
        folder.glob(f"*/{VALIDATION}/{MANIFEST_NAME}"),
    )
    return [path for found in paths for path in found]


def _is_whole(path):
    manifest = ShardManifest.read(path.parent)
    itemsize = np.dtype(manifest.dtype).itemsize
    files = [
        (path.parent / record.file_name, record.num_tokens * itemsize)
        for record in manifest.shards
    ]
    return all(f.is_file() and f.stat().st_size == size for f, size in files)


def write_manifests(folder, records, encoder):
    """Make folders of token shards of the shards that were written."""
    for source, sides in records.items():
        for side in _SIDES:
            path = pathlib.Path(folder, source, side)
            _remove_others(path, sides.get(side, []))
            if side in sides:
                ShardManifest(
                    encoder.dtype,
                    encoder.end_token_id,
                    encoder.vocabulary_size,
                    tuple(sides[side]),
                ).write(path)


def _remove_others(path, records):
    """Remove what a run with other inputs left."""
    own = {pathlib.Path(record.file_name).stem for record in records}
    for found in path.glob("tokens-*"):
        if found.stem not in own:
            found.unlink()
    if not records:
        (path / MANIFEST_NAME).unlink(missing_ok=True)


def write_shard(folder, number, dtype, documents, tfrecord=False):
    """Write documents as a shard of the package's format."""
    path = pathlib.Path(folder, f"tokens-{number:05d}.{dtype}")
    with atomic_write(path) as file:
        shard = ShardFile(file, path.name, dtype)
        for tokens in documents:
            shard.append(tokens)
    if tfrecord:
        _write_tfrecord(path.with_suffix(".tfrecord"), documents)
    return shard.record()


def _write_tfrecord(path, documents):
    import tensorflow as tf

    with (
        atomic_write(path) as file,
        tf.io.TFRecordWriter(file.name) as writer,
    ):
        for tokens in documents:
            ids = tf.train.Int64List(value=np.asarray(tokens).tolist())
            feature = {"token_ids": tf.train.Feature(int64_list=ids)}
            example = tf.train.Example(
                features=tf.train.Features(feature=feature)
            )
            writer.write(example.SerializeToString(deterministic=True))
