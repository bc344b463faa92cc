import pathlib

import pytest

from keras_gpt3.corpus import build
from keras_gpt3.corpus.build import STAGES
from keras_gpt3.corpus.build import needed_stages
from keras_gpt3.corpus.build import run_stage_of
from keras_gpt3.corpus.build import stage_folder
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.corpus_config import FilterSection
from keras_gpt3.corpus.corpus_config import SourceSection


def config(is_filtered=False, **sections):
    source = SourceSection(
        files=["a"], quality_filter=is_filtered, remove_documents_of=["b"]
    )
    sources = {"a": source, "b": SourceSection(files=["b"])}
    return CorpusConfig("corpus", sources, **sections)


def test_each_stage_has_a_folder_in_order():
    folders = [stage_folder(config(), name) for name in STAGES]
    assert folders[0] == pathlib.Path("corpus/1_read")
    assert folders == sorted(folders)


def test_a_stage_that_has_nothing_to_do_is_left_out():
    assert needed_stages(config()) == ["read", "dedup", "shard"]
    everything = config(
        is_filtered=True,
        filter=FilterSection(classifier="classifier"),
        decontaminate=DecontaminateSection(tasks=["piqa"]),
    )
    assert needed_stages(everything) == list(STAGES)


def test_a_filter_without_a_classifier_raises():
    with pytest.raises(
        ValueError, match="classifier=None for a. Train .*sources.a.quality"
    ):
        needed_stages(config(is_filtered=True))


def test_a_classifier_with_nothing_to_filter_raises():
    section = FilterSection(classifier="classifier")
    with pytest.raises(ValueError, match="classifier='classifier', and no so"):
        needed_stages(config(filter=section))


@pytest.mark.parametrize("name", STAGES[1:])
def test_a_stage_gets_its_section_and_what_the_sources_say(name, monkeypatch):
    found = {}

    def run(*arguments, **more):
        found["arguments"], found["more"] = arguments, more

    monkeypatch.setattr(build, f"{name}_stage", run)
    whole = config(is_filtered=True, seed=7)
    run_stage_of(name, whole, ["inputs"], "options", False, True)
    section, folder = getattr(whole, name), stage_folder(whole, name)
    assert found["arguments"] == (section, ["inputs"], folder)
    of_sources = {
        "filter": {"sources": ["a"]},
        "dedup": {"remove_documents_of": {"a": ["b"]}},
    }
    assert found["more"] == of_sources.get(name, {}) | {
        "seed": 7,
        "options": "options",
        "verbose": False,
        "overwrite": True,
    }
