"""Gathers the tokens of all parts into shards, in shuffled order."""

import dataclasses
import pathlib

import numpy as np

from keras_gpt3.corpus.document_shuffle import shuffled_documents
from keras_gpt3.corpus.run_parts import run_parts
from keras_gpt3.corpus.shard_file import write_shard
from keras_gpt3.corpus.stage import Stage
from keras_gpt3.corpus.stage_input import StageInput
from keras_gpt3.corpus.tokenize_part import tokens_path
from keras_gpt3.data.shard_manifest import MANIFEST_NAME
from keras_gpt3.data.shard_manifest import ShardManifest
from keras_gpt3.data.shard_record import ShardRecord

VALIDATION = "validation"
BUCKETS = "buckets"
_SIDES = ("", VALIDATION)


@dataclasses.dataclass(frozen=True)
class WriteBucket:
    """Writes a bucket of the order as one shard, or two if some is held out.

    Args:
        folder: string. Of the stage: shards go to `FOLDER/SOURCE`.
        num_parts: dict of source to int. Tokenized parts to gather from.
        dtype: string. Of the tokens on disk.
        tfrecord: bool. As in `write_shard`.

    Call arguments:
        part: `StagePart`, whose input is `"BUCKET/NUMBER OF BUCKETS"`.

    Returns:
        A dict of a side's folder, `""` or `"validation"`, to the fields of
        its `ShardRecord`.

    Example:

    ```python
    from keras_gpt3.corpus.stage_part import StagePart
    from keras_gpt3.corpus.tokenize_part import tokens_path
    from keras_gpt3.corpus.tokenized_part import TokenizedPart
    from keras_gpt3.corpus.write_buckets import WriteBucket

    path = tokens_path("5", "novels", "part-00000")
    TokenizedPart(path, "uint16").write([(7, [3, 4, 50256], False)])
    part = StagePart("novels", "part-00000", "5/buckets", "0/1", "1f")
    WriteBucket("5", {"novels": 1}, "uint16", tfrecord=False)(part)
    ```
    """

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


def write_buckets(stage, dtype, settings, options, progress):
    """Writes the shards of all sources.

    Args:
        stage: `Stage` all of whose parts are tokenized.
        dtype: string. Of the tokens on disk.
        settings: `ShardSection`.
        options: `PipelineOptions`.
        progress: bool or `"auto"`. As in `run_parts`.

    Returns:
        A dict of source to a dict of `""` or `"validation"` to the list of
        its `ShardRecord`s.

    Example:

    ```python
    from keras_gpt3.corpus.beam_options import beam_options
    from keras_gpt3.corpus.shard_section import ShardSection
    from keras_gpt3.corpus.stage import Stage
    from keras_gpt3.corpus.stage_input import StageInput
    from keras_gpt3.corpus.tokenize_part import tokens_path
    from keras_gpt3.corpus.tokenized_part import TokenizedPart
    from keras_gpt3.corpus.write_buckets import write_buckets

    stage = Stage("shard", "5", [StageInput("novels", "a", "1f")], {})
    stage.start()
    path = tokens_path("5", "novels", "part-00000")
    TokenizedPart(path, "uint16").write([(7, [3, 4, 50256], False)])
    stage.parts[0].finish({"tokens": 3})
    one = beam_options(workers=1)
    write_buckets(stage, "uint16", ShardSection(), one, progress=False)
    ```
    """
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
        progress,
    )
    records = {}
    for part, counts in buckets.part_counts():
        sides = records.setdefault(part.source, {})
        for side, fields in counts.items():
            sides.setdefault(side, []).append(ShardRecord(**fields))
    return records


def remove_manifests(folder):
    """Removes the manifests of all sources, before their shards change.

    Args:
        folder: path. Of the stage.

    Example:

    ```python
    from keras_gpt3.corpus.write_buckets import remove_manifests

    remove_manifests("5_shard")
    ```
    """
    for path in _manifests(folder):
        path.unlink()


def shards_are_whole(folder, sources):
    """Whether the shards of all manifests are there, as long as they were.

    Args:
        folder: path. Of the stage.
        sources: iterable of strings. Those that must have shards.

    Returns:
        A bool.

    Example:

    ```python
    from keras_gpt3.corpus.write_buckets import shards_are_whole

    shards_are_whole("5_shard", ["novels"])  # False
    ```
    """
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
    """Makes folders of token shards of the shards that were written.

    Args:
        folder: path. Of the stage.
        records: dict, as `write_buckets` returns it.
        encoder: `DocumentEncoder`.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.corpus.shard_file import write_shard
    from keras_gpt3.corpus.write_buckets import write_manifests
    from keras_gpt3.data.document_encoder import DocumentEncoder

    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    record = write_shard("5/novels", 0, "uint16", [[11, 12, 50256]])
    records = {"novels": {"": [record]}}
    write_manifests("5", records, DocumentEncoder(tokenizer))
    keras_gpt3.data.TokenShards("5/novels").num_tokens  # 3
    ```
    """
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
    """Removes what a run with other inputs left."""
    own = {pathlib.Path(record.file_name).stem for record in records}
    for found in path.glob("tokens-*"):
        if found.stem not in own:
            found.unlink()
    if not records:
        (path / MANIFEST_NAME).unlink(missing_ok=True)
