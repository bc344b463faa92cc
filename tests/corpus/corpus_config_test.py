import pathlib
import re

import pytest

from keras_gpt3.config_file import read_config
from keras_gpt3.config_file import write_config
from keras_gpt3.config_model import make_config
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import DedupSection
from keras_gpt3.corpus.corpus_config import ShardSection
from keras_gpt3.corpus.corpus_config import SourceSection

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


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"sources": {"a": {"files": ["a"], "license": 3}}},
            "A config must hold known keys only. Received: "
            "sources.a.license=3. Use one of licence.",
        ),
        (
            {"sources": {}},
            "A corpus must have at least one source. Received: sources={}. "
            "Name one, with its files.",
        ),
        (
            {"sources": {"a": {}}},
            "A source must have files. Received: sources.a.files=[]. Name "
            "files, folders or patterns, or leave the source out.",
        ),
        (
            {"sources": {"a": {"weight": 0}}},
            "sources.a.weight must be greater than 0. Received: "
            "sources.a.weight=0. Leave it out for the default, None.",
        ),
        (
            {"dedup": {"num_bands": 3}},
            "dedup.num_bands must divide dedup.num_hashes. Received: "
            "num_bands=3, num_hashes=10. Choose for example 5 bands of 10 "
            "hashes.",
        ),
    ],
)
def test_what_cannot_be_built_raises(values, message):
    with raises(message):
        make(**values)


@pytest.mark.parametrize("name", ["a/b", ".a", "ngrams", ""])
def test_a_source_needs_a_name_that_a_folder_can_have(name):
    message = (
        "A key of sources must be a name of letters, digits and _.-, and none "
        f"of buckets, ngrams, tokenizer. Received: {name!r}. Choose another."
    )
    with raises(message):
        make(sources={name: {"files": ["a"]}})
    assert "b_2.a-b" in make(sources={"b_2.a-b": {"files": ["a"]}}).sources


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        *(
            (
                {"a": [other]},
                "remove_documents_of must name other sources. Received: "
                f"sources.a.remove_documents_of holds {other!r}. Use among b, "
                "c.",
            )
            for other in "za"
        ),
        (
            {"a": ["b"], "b": ["a"]},
            "Of two sources, one at most may lose the documents of the other. "
            "Received: remove_documents_of of both a and b. Take out one of "
            "them.",
        ),
    ],
)
def test_sources_that_cannot_remove_each_other_s_documents_raise(
    removed, message
):
    with raises(message):
        make(sources=sources_that_remove(removed))


def test_sources_may_remove_each_other_s_documents_in_a_row():
    make(sources=sources_that_remove({"a": ["b", "c"], "b": ["c"]}))


def sources_that_remove(removed):
    return {
        name: {"files": ["x"], "remove_documents_of": removed.get(name)}
        for name in "abc"
    }


@pytest.mark.parametrize(
    ("path", "minimum"),
    [
        ("seed", 0),
        ("read.min_characters", 0),
        ("read.max_line_bytes", 1),
        ("dedup.num_bands", 1),
        ("dedup.num_features", 2),
        ("dedup.max_band_documents", 2),
        ("decontaminate.ngram", 1),
        ("decontaminate.window", 0),
        ("decontaminate.min_characters", 1),
        ("decontaminate.max_pieces", 1),
        ("decontaminate.max_documents", 1),
        ("shard.tokens_per_shard", 1),
    ],
)
def test_an_integer_below_its_minimum_raises(path, minimum):
    make(**nested(path, minimum))
    message = f"^{path} must be greater than or equal to {minimum}. Received: "
    with pytest.raises(ValueError, match=message):
        make(**nested(path, minimum - 1))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("dedup.num_hashes", 0),
        ("dedup.threshold", -0.1),
        ("dedup.threshold", 1.5),
        ("read.min_language_score", float("nan")),
        ("filter.alpha", 0.0),
        ("shard.validation_fraction", -0.1),
        ("shard.validation_fraction", 1.0),
    ],
)
def test_a_number_out_of_its_range_raises(path, value):
    message = f"^{path} must be .*. Received: {path}={value}. Leave it out for"
    with pytest.raises(ValueError, match=message):
        make(**nested(path, value))


@pytest.mark.parametrize("url", ["s3://b", "s3+http://b", "file:///a"])
@pytest.mark.parametrize(
    "path",
    ["folder", "filter.classifier", "dedup.index", "decontaminate.data"],
)
def test_a_path_that_workers_have_not_mounted_raises(path, url):
    message = (
        f"{path} must be a path that this machine and all workers have "
        f"mounted. Received: {path}={url!r}. Mount it, or copy it to a shared "
        "disk."
    )
    with raises(message):
        make(**nested(path, url))


def test_files_that_workers_have_not_mounted_raise():
    with pytest.raises(
        ValueError, match=r"^sources.a.files\[1\] must be a path"
    ):
        make(sources={"a": {"files": ["b", "gs://c/*.txt"]}})
    with pytest.raises(ValueError, match=r"^decontaminate.texts\[0\] must be"):
        make(decontaminate={"texts": ["s3://b"]})
    for path in ("/mnt/a:b//c", "C:/a", pathlib.Path("a")):
        make(folder=path)


def nested(path, value):
    for key in reversed(path.split(".")):
        value = {key: value}
    return value


def make(**values):
    smallest = {"folder": "out", "sources": {"novels": {"files": ["a"]}}}
    return make_config(CorpusConfig, smallest | values)


def raises(message):
    return pytest.raises(ValueError, match=f"^{re.escape(message)}$")
