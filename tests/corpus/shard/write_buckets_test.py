import types

import pytest

from keras_gpt3.corpus.corpus_config import ShardSection
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.stage import Stage
from keras_gpt3.corpus.pipeline.stage import StageInput
from keras_gpt3.corpus.shard.tokenize_part import TokenizedPart
from keras_gpt3.corpus.shard.tokenize_part import tokens_path
from keras_gpt3.corpus.shard.write_buckets import write_buckets
from keras_gpt3.corpus.shard.write_buckets import write_manifests
from keras_gpt3.data import TokenShards

END = 99
ENCODER = types.SimpleNamespace(
    dtype="uint16", end_token_id=END, vocabulary_size=100
)


@pytest.fixture
def stage(tmp_path):
    """Two tokenized parts of one source, 20 documents with spread keys."""
    inputs = [StageInput("a", f"{i}", "1f") for i in range(2)]
    stage = Stage("shard", tmp_path / "5_shard", inputs, {})
    stage.start()
    for number, part in enumerate(stage.parts):
        tokens = TokenizedPart(
            tokens_path(part.folder, part.source, part.name), "uint16"
        )
        tokens.write(
            (i * 2**64 // 20, [i, END], i % 5 == 0)
            for i in range(number, 20, 2)
        )
        part.finish({"tokens": 20})
    return stage


def written(stage, **settings):
    settings = ShardSection(**settings)
    one = beam_options(workers=1)
    records = write_buckets(stage, "uint16", settings, one, False)
    write_manifests(stage.folder, records, ENCODER)


def documents(folder):
    shards = TokenShards(folder)
    shards.verify()
    return shards.read([0], shards.num_tokens)[0, ::2].tolist()


@pytest.mark.parametrize("tokens_per_shard", [1000, 10, 1])
def test_shards_hold_the_documents_in_the_order_of_keys(
    stage, tokens_per_shard
):
    written(stage, tokens_per_shard=tokens_per_shard)
    folder = stage.folder / "a"
    assert documents(folder) == [i for i in range(20) if i % 5]
    assert documents(folder / "validation") == [0, 5, 10, 15]
    num_shards = len(list(folder.glob("tokens-*")))
    assert num_shards == {1000: 1, 10: 4, 1: 16}[tokens_per_shard]


def test_shards_that_are_no_more_go(stage):
    written(stage, tokens_per_shard=10, tfrecord=True)
    written(stage, tokens_per_shard=1000)
    folder = stage.folder / "a"
    names = {path.name for path in folder.glob("tokens-*.uint16")}
    assert names == {"tokens-00000.uint16"}
    assert documents(folder) == [i for i in range(20) if i % 5]
