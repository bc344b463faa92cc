import re

import pytest

from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.corpus_config import DedupSection
from keras_gpt3.corpus.corpus_config import FilterSection
from keras_gpt3.corpus.corpus_config import ShardSection
from keras_gpt3.corpus.source_section import SourceSection
from keras_gpt3.training.recipe.config_file import read_config
from keras_gpt3.training.recipe.config_file import write_config

SOURCES = {"novels": SourceSection(files=["novels/*.txt"])}


def test_a_file_is_read_with_the_paper_s_numbers_as_defaults(tmp_path):
    path = tmp_path / "corpus.yaml"
    path.write_text(
        "folder: out\nsources:\n  novels:\n    files: [novels/*.txt]\n"
        "dedup:\n  threshold: 0.7\n"
    )
    config = read_config(CorpusConfig, path, ["shard.tfrecord=true"])
    assert config == CorpusConfig(
        "out",
        SOURCES,
        dedup=DedupSection(threshold=0.7),
        shard=ShardSection(tfrecord=True),
    )
    cut = config.decontaminate
    assert (cut.ngram, cut.window, cut.min_characters) == (13, 200, 200)
    assert (cut.max_pieces, cut.max_documents) == (10, 10)
    assert (config.filter.alpha, config.dedup.num_hashes) == (9, 10)


def test_what_is_written_is_read_again(tmp_path):
    config = CorpusConfig("out", SOURCES, seed=3)
    write_config(config, tmp_path / "corpus.yaml")
    assert read_config(CorpusConfig, tmp_path / "corpus.yaml") == config


def test_an_unknown_key_raises(tmp_path):
    path = tmp_path / "corpus.yaml"
    path.write_text("folder: out\nsources: {a: {files: [a], width: 3}}")
    message = (
        "A config must hold known keys only. Received: sources.a.width=3. Use "
        "one of files, "
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}"):
        read_config(CorpusConfig, path)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"sources": {}},
            "A corpus must have at least one source. Received: sources={}. "
            "Name one, with its files.",
        ),
        (
            {"seed": -1},
            "seed must be an integer of at least 0. Received: seed=-1. Pass 0 "
            "or more.",
        ),
        (
            {"filter": FilterSection(sources=["novels"])},
            "filter.sources must be left to the sources of a build. Received: "
            "filter.sources=['novels']. Set sources.NAME.quality_filter "
            "instead.",
        ),
        (
            {"dedup": DedupSection(remove_documents_of={"novels": ["a"]})},
            "dedup.remove_documents_of must be left to the sources of a build. "
            "Received: dedup.remove_documents_of={'novels': ['a']}. Set "
            "sources.NAME.remove_documents_of instead.",
        ),
    ],
)
def test_what_cannot_be_built_raises(fields, message):
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CorpusConfig(**{"folder": "out", "sources": SOURCES} | fields)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("folder", {"folder": "s3://b"}),
        ("filter.classifier", {"filter": FilterSection(classifier="s3://b")}),
        ("dedup.index", {"dedup": DedupSection(index="s3://b")}),
        (
            "decontaminate.texts",
            {"decontaminate": DecontaminateSection(texts=["s3://b"])},
        ),
    ],
)
def test_a_path_that_workers_have_not_mounted_raises(name, fields):
    message = (
        f"{name} must be a path that this machine and all workers have "
        f"mounted. Received: {name}='s3://b'. Mount it, or copy it to a shared "
        "disk."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        CorpusConfig(**{"folder": "out", "sources": SOURCES} | fields)
