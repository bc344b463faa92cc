import re

import pytest

from keras_gpt3.config_file import read_config
from keras_gpt3.corpus import pretrain_file
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import ShardSection
from keras_gpt3.corpus.corpus_config import SourceSection
from keras_gpt3.corpus.pretrain_file import complete_sources
from keras_gpt3.corpus.pretrain_file import mixture_weights
from keras_gpt3.corpus.pretrain_file import table_2_2
from keras_gpt3.corpus.pretrain_file import write_pretrain_file
from keras_gpt3.planning import describe
from keras_gpt3.planning import estimate_training_memory
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from keras_gpt3.training.recipe.run_recipe import run_recipe

# === Pretrain file ===


def source(weight, *sides, train=10**12, validation=10**9):
    tokens = {"train": train, "validation": validation}
    shards = {
        side: {"folder": f"/shards/{side}", "tokens": tokens[side]}
        for side in sides
    }
    return {"weight": weight, "shards": shards}


def written(folder, sources, preset="gpt3_medium_en"):
    config = CorpusConfig(
        str(folder),
        {
            name: SourceSection(files=["a"], weight=source["weight"])
            for name, source in sources.items()
        },
        seed=5,
        shard=ShardSection(preset=preset),
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


def resolved(run):
    length = run.data.sequence_length
    return run_recipe(run.recipe, run.model.preset, length)


def test_a_small_corpus_gets_a_small_model_and_small_batches(tmp_path):
    held = source(None, "train", "validation", train=540_000, validation=9_000)
    short = source(None, "train", "validation", train=9_000, validation=1_000)
    run = written(tmp_path, {"a": held, "b": short}, "gpt3_small_en")
    sizes = ("num_layers", "num_heads", "hidden_dim", "intermediate_dim")
    assert [run.model.overrides[size] for size in sizes] == [2, 2, 128, 512]
    assert run.data.sequence_length == 2048
    assert run.recipe.batch_tokens == 2048
    assert resolved(run).num_steps == 268
    # No batch of 8 contexts is held out, and of one source no context.
    assert list(run.data.validation) == ["a"]
    assert run.validation.batch_size == 4
    assert run.validation.resolved(268).every_steps == 13


def test_a_corpus_of_a_few_documents_has_short_contexts(tmp_path):
    run = written(
        tmp_path,
        {
            "a": source(None, "train", train=5_000),
            "b": source(None, "train", train=20),
        },
    )
    assert run.data.sequence_length == 16
    assert resolved(run).num_steps > 300


def test_a_corpus_of_the_papers_size_is_trained_on_as_the_paper_did(tmp_path):
    run = written(tmp_path, {"a": source(None, "train", train=10**12)})
    assert run.model.overrides == {}
    assert resolved(run).total_tokens == 300e9
    assert resolved(run).batch_tokens == 2**19
    assert resolved(run).learning_rate == 3e-4


def test_batches_fit_into_the_memory_of_the_machine(tmp_path, monkeypatch):
    available = 10 * 10**9
    monkeypatch.setattr(pretrain_file, "available_memory", lambda: available)
    sources = {"a": source(None, "train", train=10**12)}
    run = written(tmp_path, sources, "gpt3_small_en")
    rows = run.recipe.batch_tokens // 2048
    needed = estimate_training_memory(
        describe("gpt3_small_en").config,
        batch_size=rows,
        micro_batch_size=run.model.micro_batch_size,
        rematerialization=run.model.rematerialization,
    )
    assert needed["total"] < available
    assert run.model.micro_batch_size < rows


def test_a_preset_that_is_but_a_tokenizer_gets_its_file_all_the_same(tmp_path):
    run = written(tmp_path, {"a": source(None, "train")}, str(tmp_path))
    assert run.recipe.batch_tokens is None


# === Table 2 2 ===


# "Weight in training mix" of the paper's Table 2.2, typed once more.
PERCENT = {
    "common_crawl": 60,
    "webtext2": 22,
    "books1": 8,
    "books2": 8,
    "wikipedia": 3,
}


def test_the_table_is_the_paper_s():
    table = table_2_2()
    assert {name: source.weight for name, source in table.items()} == PERCENT
    # Appendix A: only Common Crawl is filtered, and loses WebText.
    filtered = {name for name in table if table[name].quality_filter}
    assert filtered == {"common_crawl"}
    assert table["common_crawl"].remove_documents_of == ["webtext2"]
    assert all(source.licence for source in table.values())


def test_weights_are_divided_by_their_sum():
    weights = mixture_weights(table_2_2())
    assert sum(weights.values()) == pytest.approx(1)
    assert weights["common_crawl"] == pytest.approx(60 / 101)
    assert mixture_weights({"novels": SourceSection()}) is None


def test_a_source_takes_from_the_table_what_it_leaves_out():
    crawl, web = (
        SourceSection(files=["crawl"], licence="Mine."),
        SourceSection(files=["web"], weight=30.0),
    )
    made = complete_sources({"common_crawl": crawl, "webtext2": web})
    assert made["common_crawl"] == SourceSection(
        ["crawl"], 60.0, "Mine.", True, ["webtext2"]
    )
    assert made["webtext2"].weight == 30
    assert made["webtext2"].licence.startswith("Not published")
    # What is said counts, also where it is less.
    plain = SourceSection(["crawl"], quality_filter=False)
    assert not complete_sources({"common_crawl": plain})[
        "common_crawl"
    ].quality_filter
    # A source of the table that is not built has no documents to remove.
    assert (
        complete_sources({"common_crawl": crawl})[
            "common_crawl"
        ].remove_documents_of
        == []
    )


def test_other_sources_have_plain_defaults():
    made = complete_sources({"novels": SourceSection(files=["novels"])})
    assert made["novels"] == SourceSection(
        ["novels"], None, "Not stated.", False, []
    )


def test_a_weight_that_is_lacking_raises():
    sources = {
        "wikipedia": SourceSection(files=["a"]),
        "novels": SourceSection(files=["b"]),
    }
    message = (
        "Either all sources must have a weight or none. Received: no weight of "
        "novels. Set sources.novels.weight."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        complete_sources(sources)
