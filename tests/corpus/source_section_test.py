import pytest

from keras_gpt3.corpus.source_section import SourceSection
from keras_gpt3.corpus.source_section import check_sources


def source(**fields):
    return SourceSection(files=["a.txt"], **fields)


def test_sources_may_remove_each_others_documents_in_a_row():
    check_sources(
        {
            "crawl": source(remove_documents_of=["web", "books"]),
            "web": source(remove_documents_of=["books"]),
            "books_2.a-b": source(),
        }
        | {"books": source()}
    )


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        ({}, r"A corpus must have at least one source. Received: sources=\{\}"),
        ({"a/b": source()}, "The name of a source must .*Received: 'a/b'"),
        ({".a": source()}, "The name of a source must .*Received: '.a'"),
        ({"ngrams": source()}, "none of buckets, ngrams.*Received: 'ngrams'"),
        ({"a": SourceSection()}, r"have files. Received: sources.a.files=\[\]"),
        (
            {"a": SourceSection(files=["b", "gs://c/*.txt"])},
            "sources.a.files must be a path .*Received: .*'gs://c/",
        ),
        (
            {"a": source(remove_documents_of=["b"])},
            "must name other sources. Received: sources.a.*'b'. Use .*none",
        ),
        (
            {"a": source(remove_documents_of=["a"]), "c": source()},
            "must name other sources. Received: .*'a'. Use among c",
        ),
        (
            {
                "a": source(remove_documents_of=["b"]),
                "b": source(remove_documents_of=["a"]),
            },
            "one at most may lose .*Received: .* both a and b. Take",
        ),
    ],
)
def test_sources_that_cannot_be_built_raise(sources, message):
    with pytest.raises(ValueError, match=message):
        check_sources(sources)


@pytest.mark.parametrize("weight", [0, -1.0])
def test_a_weight_that_is_not_above_0_raises(weight):
    with pytest.raises(ValueError, match=f"Received: weight={weight}. Leave"):
        SourceSection(weight=weight)
