import pytest

from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.corpus_config import DedupSection
from keras_gpt3.corpus.corpus_config import FilterSection
from keras_gpt3.corpus.corpus_config import ReadSection
from keras_gpt3.corpus.corpus_config import ShardSection
from keras_gpt3.corpus.source_section import SourceSection
from keras_gpt3.training.config_file import read_config
from keras_gpt3.training.config_file import write_config

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
    with pytest.raises(ValueError, match="Received: sources.a.width=3. Use"):
        read_config(CorpusConfig, path)


@pytest.mark.parametrize(
    ("section", "fields", "message"),
    [
        (ReadSection, {"min_language_score": 1.1}, "read.min_language_score="),
        (ReadSection, {"max_line_bytes": 0}, "read.max_line_bytes=0. Pass 1"),
        (FilterSection, {"alpha": 0.0}, "filter.alpha=0.0. Leave it out"),
        (DedupSection, {"num_bands": 3}, "num_bands=3, num_hashes=10. Choose"),
        (DedupSection, {"threshold": -0.1}, "dedup.threshold=-0.1. Leave"),
        (DedupSection, {"num_features": 1}, "num_features=1. Pass 2"),
        (DecontaminateSection, {"ngram": 0}, "decontaminate.ngram=0. Pass 1"),
        (DecontaminateSection, {"window": -1}, "window=-1. Pass 0 or more"),
        (ShardSection, {"tokens_per_shard": 0}, "tokens_per_shard=0. Pass 1"),
        (ShardSection, {"validation_fraction": 1.0}, "fraction=1.0. Use 0.01"),
    ],
)
def test_a_number_out_of_its_range_raises(section, fields, message):
    with pytest.raises(ValueError, match=f"must .* Received: .*{message}"):
        section(**fields)


def test_a_config_without_sources_raises():
    with pytest.raises(ValueError, match="must have at least one source"):
        CorpusConfig("out", {})
    with pytest.raises(ValueError, match="seed=-1"):
        CorpusConfig("out", SOURCES, seed=-1)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"folder": "gs://b"}, "folder must be a path .*'gs://b'. Mount it"),
        ({"filter": FilterSection(classifier="gs://b")}, "filter.classifier="),
        ({"dedup": DedupSection(index="s3://b")}, "dedup.index='s3://b'"),
        (
            {"decontaminate": DecontaminateSection(texts=["s3://b"])},
            "decontaminate.texts='s3://b'",
        ),
        (
            {"filter": FilterSection(sources=["novels"])},
            "left to the sources .*filter.sources=.*Set sources.NAME.quality_f",
        ),
        (
            {"dedup": DedupSection(remove_documents_of={"novels": ["a"]})},
            "left to the sources .*dedup.remove_documents_of=.*NAME.remove_do",
        ),
    ],
)
def test_what_a_build_would_not_look_at_raises(fields, message):
    with pytest.raises(ValueError, match=message):
        CorpusConfig(**{"folder": "out", "sources": SOURCES} | fields)
