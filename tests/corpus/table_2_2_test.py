import pytest

from keras_gpt3.corpus.corpus_config import SourceSection
from keras_gpt3.corpus.pretrain_file import complete_sources
from keras_gpt3.corpus.pretrain_file import mixture_weights
from keras_gpt3.corpus.pretrain_file import table_2_2

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
    with pytest.raises(
        ValueError, match="no weight of novels. Set sources.nov"
    ):
        complete_sources(sources)
