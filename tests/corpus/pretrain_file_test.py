import pytest

from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.pretrain_file import write_pretrain_file
from keras_gpt3.corpus.shard_section import ShardSection
from keras_gpt3.corpus.source_section import SourceSection
from keras_gpt3.training.config_file import read_config
from keras_gpt3.training.pretraining_config import PretrainingConfig


def source(weight, *sides):
    shards = {side: {"folder": f"/shards/{side}"} for side in sides}
    return {"weight": weight, "shards": shards}


def written(folder, sources):
    config = CorpusConfig(
        str(folder),
        {
            name: SourceSection(files=["a"], weight=source["weight"])
            for name, source in sources.items()
        },
        seed=5,
        shard=ShardSection(preset="gpt3_medium_en"),
    )
    path = write_pretrain_file(config, {"sources": sources})
    return path and read_config(PretrainingConfig, path)


def test_a_training_run_finds_shards_and_weights(tmp_path):
    run = written(
        tmp_path,
        {
            "a": source(0.6, "train", "validation"),
            "b": source(0.2, "train"),
            # Of this one nothing was left.
            "c": source(0.2),
        },
    )
    assert run.data.shards == {"a": "/shards/train", "b": "/shards/train"}
    assert run.data.weights == pytest.approx({"a": 0.75, "b": 0.25})
    assert run.data.validation == {"a": "/shards/validation"}
    assert run.folder == str(tmp_path / "run")
    assert (run.seed, run.model.preset) == (5, "gpt3_medium_en")


def test_without_weights_the_tokens_decide(tmp_path):
    run = written(tmp_path, {"a": source(None, "train")})
    assert run.data.weights is None


def test_without_shards_there_is_nothing_to_train_on(tmp_path):
    assert written(tmp_path, {"a": source(None)}) is None
