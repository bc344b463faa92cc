import dataclasses
import hashlib

import pytest
import tensorflow as tf

from keras_gpt3 import GPT3Tokenizer
from keras_gpt3.corpus.corpus_config import ShardSection
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import written_part
from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.shard.shard_stage import shard_stage
from keras_gpt3.data import TokenShards
from keras_gpt3.data import packed_dataset
from keras_gpt3.data.shard_manifest import ShardManifest
from tests.fixtures.corpus.excerpts import read_excerpts

SETTINGS = ShardSection(tokens_per_shard=4000)


@pytest.fixture(scope="module")
def tokenizer():
    return GPT3Tokenizer.from_preset("gpt3_small_en")


@pytest.fixture(scope="module")
def documents():
    return [
        Document(row["id"], name, row["text"][:1000])
        for name in ("novels", "speeches")
        for row in read_excerpts(name)
    ]


def write_parts(folder, documents, num_parts):
    """Parts of each source's documents, dealt out in turn."""
    inputs = []
    for source in ("novels", "speeches"):
        own = [d for d in documents if d.source == source]
        for number in range(num_parts):
            path = folder / source / f"part-{number:05}.jsonl.zst"
            part = own[number::num_parts]
            with written_part(path) as write:
                for document in part:
                    write(document)
            content = hashlib.sha256(path.read_bytes()).hexdigest()
            inputs.append(StageInput(source, str(path), content))
    return inputs


def shards_of(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("tokens-*")
    } | {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("manifest.json")
    }


def texts_of(folder, tokenizer):
    shards = TokenShards(folder)
    (row,) = shards.read([0], shards.num_tokens)
    return tokenizer.detokenize(row).split("<|endoftext|>")[:-1]


def test_all_documents_are_in_the_shards_once_in_another_order(
    tmp_path, documents, tokenizer
):
    inputs = write_parts(tmp_path / "in", documents, 2)
    stage = shard_stage(SETTINGS, inputs, tmp_path / "out")
    for source in ("novels", "speeches"):
        expected = [d.text for d in documents if d.source == source]
        found = texts_of(stage.folder / source, tokenizer)
        assert found != expected and sorted(found) == sorted(expected)
        manifest = ShardManifest.read(stage.folder / source)
        assert len(manifest.shards) >= 2
        TokenShards(stage.folder / source).verify()
        counts = stage.totals["sources"][source]
        assert counts["tokens"] == manifest.num_tokens
        assert counts["documents_out"] == manifest.num_documents == 40
        # What the shards were made from takes twice their room.
        assert not list(stage.folder.rglob("*.tokens"))


def test_the_order_depends_on_the_seed_and_not_on_the_parts(
    tmp_path, documents
):
    found = []
    for number, (num_parts, seed) in enumerate([(1, 0), (3, 0), (1, 1)]):
        folder = tmp_path / str(number)
        inputs = write_parts(folder / "in", documents, num_parts)
        shard_stage(SETTINGS, inputs, folder / "out", seed)
        found.append(shards_of(folder / "out"))
    assert found[0] == found[1]
    assert found[0] != found[2]


@pytest.mark.slow
def test_two_processes_write_the_same_bytes(tmp_path, documents):
    inputs = write_parts(tmp_path / "in", documents, 2)
    for workers in (1, 2):
        shard_stage(
            SETTINGS,
            inputs,
            tmp_path / f"out{workers}",
            options=beam_options(workers=workers),
        )
    one, two = (shards_of(tmp_path / f"out{workers}") for workers in (1, 2))
    assert one == two


@pytest.mark.parametrize("broken", ["tokenize", "shard", "manifest"])
@pytest.mark.quick_cases(1)
def test_a_run_that_broke_off_ends_as_if_it_had_not(
    tmp_path, documents, broken, monkeypatch
):
    from keras_gpt3.corpus.shard import shard_stage as module

    inputs = write_parts(tmp_path / "in", documents, 2)
    shard_stage(SETTINGS, inputs, tmp_path / "whole")

    def raise_in(*arguments):
        raise OSError(broken)

    with monkeypatch.context() as patch:
        name = {
            "tokenize": "write_buckets",
            "shard": "write_manifests",
            "manifest": "_remove_tokenized",
        }[broken]
        patch.setattr(module, name, raise_in)
        with pytest.raises(OSError, match=broken):
            shard_stage(SETTINGS, inputs, tmp_path / "out")
    stage = shard_stage(SETTINGS, inputs, tmp_path / "out")
    assert stage.is_done and not list(stage.folder.rglob("*.tokens"))
    assert shards_of(tmp_path / "out") == shards_of(tmp_path / "whole")


def test_other_inputs_leave_nothing_of_the_old_shards(tmp_path, documents):
    old = write_parts(tmp_path / "old", documents, 2)
    shard_stage(SETTINGS, old, tmp_path / "out")
    fewer = [d for d in documents if d.id < "austen 3"]
    new = write_parts(tmp_path / "new", fewer, 2)
    stage = shard_stage(SETTINGS, new, tmp_path / "out")
    shard_stage(SETTINGS, new, tmp_path / "fresh")
    assert shards_of(stage.folder) == shards_of(tmp_path / "fresh")


def test_a_share_of_documents_is_held_out_with_all_pieces_of_each(
    tmp_path, documents, tokenizer
):
    pieces = [
        dataclasses.replace(
            document,
            id=f"{document.id}#{half}",
            text=f"{number} {half}",
            extra={"piece_of": document.id},
        )
        for number, document in enumerate(documents)
        for half in range(2)
    ]
    inputs = write_parts(tmp_path / "in", pieces, 2)
    settings = ShardSection(validation_fraction=0.3)
    stage = shard_stage(settings, inputs, tmp_path / "out")
    for source in ("novels", "speeches"):
        train, held_out = (
            [text.split()[0] for text in texts_of(folder, tokenizer)]
            for folder in (
                stage.folder / source,
                stage.folder / source / "validation",
            )
        )
        assert not {*train} & {*held_out}
        assert len(train) + len(held_out) == 80
        # 12 of 40 in the mean; the bound is three standard deviations.
        assert 4 <= len({*held_out}) <= 20


def test_the_same_documents_are_written_as_tfrecord(tmp_path, documents):
    inputs = write_parts(tmp_path / "in", documents, 1)
    settings = ShardSection(tokens_per_shard=4000, tfrecord=True)
    folder = shard_stage(settings, inputs, tmp_path / "out").folder / "novels"
    shards = TokenShards(folder)
    files = sorted(map(str, folder.glob("*.tfrecord")))
    tokens = []
    for record in tf.data.TFRecordDataset(files):
        example = tf.train.Example.FromString(record.numpy())
        tokens += example.features.feature["token_ids"].int64_list.value
    (expected,) = shards.read([0], shards.num_tokens)
    assert tokens == expected.tolist()


def test_shards_are_packed_for_training(tmp_path, documents):
    inputs = write_parts(tmp_path / "in", documents, 2)
    stage = shard_stage(SETTINGS, inputs, tmp_path / "out")
    dataset = packed_dataset(stage.folder / "novels", 32, batch_size=4)
    x, y, *_ = next(iter(dataset))
    assert y.shape == (4, 32)


def test_a_source_without_documents_gets_no_shards(tmp_path, documents):
    novels = [d for d in documents if d.source == "novels"]
    inputs = write_parts(tmp_path / "in", novels, 1)
    stage = shard_stage(SETTINGS, inputs, tmp_path / "out")
    assert (stage.folder / "novels" / "manifest.json").exists()
    assert not (stage.folder / "speeches" / "manifest.json").exists()


def test_a_folder_of_other_settings_is_refused(tmp_path, documents):
    inputs = write_parts(tmp_path / "in", documents[:3], 1)
    shard_stage(SETTINGS, inputs, tmp_path / "out")
    with pytest.raises(
        FileExistsError, match="with tokens_per_shard=4000, not 134217728"
    ):
        shard_stage(ShardSection(), inputs, tmp_path / "out")


@pytest.mark.parametrize("damage", ["gone", "cut off", "manifest"])
@pytest.mark.quick_cases(1)
def test_shards_that_are_damaged_are_written_again(tmp_path, documents, damage):
    inputs = write_parts(tmp_path / "in", documents, 1)
    folder = shard_stage(SETTINGS, inputs, tmp_path / "out").folder
    before = shards_of(folder)
    shard = next((folder / "novels").glob("tokens-*"))
    if damage == "gone":
        shard.unlink()
    elif damage == "cut off":
        shard.write_bytes(shard.read_bytes()[:-2])
    else:
        (folder / "novels" / "manifest.json").unlink()
    shard_stage(SETTINGS, inputs, tmp_path / "out")
    assert shards_of(folder) == before


def test_no_old_manifest_stands_over_new_shards(
    tmp_path, documents, monkeypatch
):
    from keras_gpt3.corpus.shard import shard_stage as module

    inputs = write_parts(tmp_path / "in", documents, 1)
    folder = shard_stage(SETTINGS, inputs, tmp_path / "out").folder

    def raise_in(*arguments):
        raise OSError("killed")

    monkeypatch.setattr(module, "write_buckets", raise_in)
    inputs = write_parts(tmp_path / "in", documents[3:], 1)
    with pytest.raises(OSError, match="killed"):
        shard_stage(SETTINGS, inputs, tmp_path / "out")
    assert not list(folder.rglob("manifest.json"))
