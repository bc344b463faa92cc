import dataclasses
import json
import pathlib
import re
import threading

import pytest

from keras_gpt3.atomic_write import locked_folder
from keras_gpt3.config_file import read_config
from keras_gpt3.corpus import build
from keras_gpt3.corpus.build import STAGES
from keras_gpt3.corpus.build import build_corpus
from keras_gpt3.corpus.build import build_stage
from keras_gpt3.corpus.build import finish_corpus
from keras_gpt3.corpus.build import needed_stages
from keras_gpt3.corpus.build import run_stage_of
from keras_gpt3.corpus.build import stage_folder
from keras_gpt3.corpus.corpus_config import CorpusConfig
from keras_gpt3.corpus.corpus_config import DecontaminateSection
from keras_gpt3.corpus.corpus_config import FilterSection
from keras_gpt3.corpus.corpus_config import ShardSection
from keras_gpt3.corpus.corpus_config import SourceSection
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.quality.quality_classifier import QualityClassifier
from keras_gpt3.data import Mixture
from keras_gpt3.data import packed_dataset
from keras_gpt3.training.recipe.pretraining_config import PretrainingConfig
from tests.fixtures.corpus.excerpts import read_excerpts
from tests.fixtures.corpus.planted_contamination import evaluation_texts

# === Build ===


ONE = beam_options(workers=1)
STAGE_NAMES = ["read", "filter", "dedup", "decontaminate", "shard"]


def texts_of(name):
    return [row["text"] for row in read_excerpts(name)]


def write_lines(path, texts):
    lines = (json.dumps({"text": text}) + "\n" for text in texts)
    path.write_text("".join(lines))
    return str(path)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """The files of a crawl and of an encyclopedia, and what goes with them."""
    folder = tmp_path_factory.mktemp("raw")
    novels, manuals = texts_of("novels"), texts_of("manuals")
    articles = texts_of("encyclopedia")
    good = [*novels[::2], *articles[20:]]
    classifier = QualityClassifier.train(good, manuals[::2], seed=0)
    classifier.save(folder / "classifier")
    tainted = f"{novels[1]} {evaluation_texts()[3]} {novels[3]}"
    crawl = [*novels[1::2], *manuals[1::2], novels[5], tainted, *articles[:9]]
    write_lines(folder / "crawl-0.jsonl", crawl[:20])
    write_lines(folder / "crawl-1.jsonl", crawl[20:])
    with open(folder / "crawl-1.jsonl", "a") as file:
        file.write("{no JSON\n")
    write_lines(folder / "articles.jsonl", articles)
    write_lines(folder / "questions.jsonl", evaluation_texts())
    return folder


def config_of(raw, folder):
    return CorpusConfig(
        str(folder),
        {
            # Not in the order of names.
            "wikipedia": SourceSection(files=[f"{raw}/articles.jsonl"]),
            "common_crawl": SourceSection(
                files=[f"{raw}/crawl-*.jsonl"],
                remove_documents_of=["wikipedia"],
            ),
        },
        filter=FilterSection(classifier=f"{raw}/classifier"),
        decontaminate=DecontaminateSection(texts=[f"{raw}/questions.jsonl"]),
        shard=ShardSection(tokens_per_shard=5000, validation_fraction=0.1),
    )


def files_of(folder):
    """The content of all files, without the folder's own name."""
    return {
        str(path.relative_to(folder)): path.read_bytes().replace(
            str(folder).encode(), b""
        )
        for path in sorted(pathlib.Path(folder).rglob("*"))
        if path.is_file()
    }


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory):
    folder = tmp_path_factory.mktemp("built") / "corpus"
    return build_corpus(config_of(raw, folder), ONE)


def test_every_stage_does_its_part(built):
    stages = built.summary["stages"]
    assert list(stages) == STAGE_NAMES
    crawl = {
        name: stages[name]["sources"]["common_crawl"] for name in STAGE_NAMES
    }
    assert crawl["read"]["dropped"] == {"no JSON": 1}
    # The manuals, of which a few may be lucky, and few of the novels.
    assert 10 <= sum(crawl["filter"]["dropped"].values()) <= 30
    assert stages["filter"]["sources"]["wikipedia"]["dropped"] == {}
    assert {"exact duplicate", "in wikipedia"} <= {*crawl["dedup"]["dropped"]}
    assert crawl["decontaminate"]["cut"]["documents"] == 1
    for earlier, later in zip(STAGE_NAMES, STAGE_NAMES[1:], strict=False):
        for source in ("common_crawl", "wikipedia"):
            one = stages[earlier]["sources"][source]
            other = stages[later]["sources"][source]
            for unit in ("documents", "characters"):
                assert one[f"{unit}_out"] == other[f"{unit}_in"]


def test_licences_and_every_stage_s_numbers_stand_beside_the_shards(built):
    folder = built.report.parent / "5_shard" / "common_crawl"
    found = json.loads((folder / "corpus.json").read_text())
    assert found["licence"].startswith("Common Crawl's terms of use")
    assert found["weight"] == pytest.approx(60 / 63)
    assert list(found["stages"]) == STAGE_NAMES
    assert found["stages"]["read"]["documents_in"] == 52
    manifest = json.loads((folder / "manifest.json").read_text())
    assert found["shards"]["train"]["tokens"] == manifest["num_tokens"]
    sides = found["shards"].values()
    assert found["stages"]["shard"]["tokens"] == sum(s["tokens"] for s in sides)


def test_shards_go_into_a_training_run_by_their_weights(built):
    data = read_config(PretrainingConfig, built.pretrain).data
    assert data.weights == pytest.approx(
        {"common_crawl": 60 / 63, "wikipedia": 3 / 63}
    )
    assert set(data.validation) == {"common_crawl", "wikipedia"}
    mixture = Mixture(data.shards, data.weights)
    inputs, labels, *_ = next(iter(packed_dataset(mixture, 16, batch_size=2)))
    assert labels.shape == (2, 16)


def test_a_report_tells_of_it(built):
    text = (built.report / "corpus.md").read_text()
    for title in (
        "Scores of the quality classifier",
        "Clusters of near-duplicates",
        "Samples of what decontaminate dropped",
    ):
        assert f"## {title}" in text


def test_a_build_that_is_done_is_left_as_it_is(raw, built):
    folder = built.report.parent
    before = {
        path: path.stat().st_mtime_ns
        for path in folder.rglob("*")
        if path.is_file() and path.suffix in (".zst", ".uint16")
    }
    build_corpus(config_of(raw, folder), ONE)
    assert {path: path.stat().st_mtime_ns for path in before} == before


@pytest.mark.slow
def test_stages_one_by_one_make_the_same(raw, built, tmp_path):
    config = config_of(raw, tmp_path / "corpus")
    for name in STAGE_NAMES:
        stage = build_stage(name, config, ONE)
        assert stage.is_done
    for path in (tmp_path / "corpus").glob("*/stage.json"):
        # A build goes on where single stages ended, and the other way round.
        whole = built.report.parent / path.parent.name / path.name
        assert path.read_bytes() == whole.read_bytes()
    again = finish_corpus(config)
    assert again.summary["stages"] == built.summary["stages"]
    one = files_of(built.report.parent / "5_shard")
    assert files_of(tmp_path / "corpus" / "5_shard") == one


@pytest.mark.slow
def test_after_a_change_of_one_file_the_rest_is_not_read_again(raw, tmp_path):
    for path in raw.glob("*.jsonl"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    config = config_of(tmp_path, tmp_path / "corpus")
    config = dataclasses.replace(
        config, filter=FilterSection(classifier=f"{raw}/classifier")
    )
    build_corpus(config, ONE)
    part = tmp_path / "corpus" / "2_filter" / "common_crawl" / "part-00000.json"
    before = part.stat().st_mtime_ns
    with open(tmp_path / "crawl-1.jsonl", "a") as file:
        file.write(json.dumps({"text": texts_of("speeches")[0]}) + "\n")
    again = build_corpus(config, ONE)
    assert part.stat().st_mtime_ns == before
    read = again.summary["stages"]["read"]["sources"]["common_crawl"]
    assert read["documents_in"] == 53
    fresh = dataclasses.replace(config, folder=str(tmp_path / "fresh"))
    build_corpus(fresh, ONE)
    assert files_of(tmp_path / "corpus" / "5_shard") == files_of(
        tmp_path / "fresh" / "5_shard"
    )


def test_a_folder_of_another_run_is_refused_unless_overwritten(raw, built):
    config = config_of(raw, built.report.parent)
    other = dataclasses.replace(
        config,
        decontaminate=DecontaminateSection(texts=[f"{raw}/articles.jsonl"]),
    )
    with pytest.raises(
        FileExistsError, match="hold no other run. .*4_decontaminate.*--overw"
    ):
        build_corpus(other, ONE)


def test_a_stage_that_cannot_run_raises(raw, tmp_path):
    config = config_of(raw, tmp_path / "corpus")
    with pytest.raises(FileNotFoundError, match="of a finished one. .*1_read"):
        build_stage("filter", config, ONE)
    with pytest.raises(FileNotFoundError, match="a stage that is done. Rec"):
        finish_corpus(config)
    plain = dataclasses.replace(config, decontaminate=DecontaminateSection())
    message = (
        "A stage must be one that has something to do. Received: "
        "stage='decontaminate' with this config. Use one of read, filter, "
        "dedup, shard, or see the config's filter, quality_filter and "
        "decontaminate."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        build_stage("decontaminate", plain, ONE)


def test_a_second_build_of_a_folder_is_refused(tmp_path):
    file = write_lines(tmp_path / "a.jsonl", texts_of("novels")[:2])
    sources = {"books": SourceSection(files=[file])}
    config = CorpusConfig(str(tmp_path / "corpus"), sources)
    errors = []

    def second():
        for make in (build_corpus, lambda *a: build_stage("read", *a)):
            try:
                make(config, ONE)
            except BlockingIOError as error:
                errors.append(str(error))

    (tmp_path / "corpus").mkdir()
    with locked_folder(tmp_path / "corpus"):
        thread = threading.Thread(target=second)
        thread.start()
        thread.join()
    assert len(errors) == 2
    assert errors[0].startswith("Only one process may write to a folder at")
    assert list((tmp_path / "corpus").iterdir()) == []


# === Corpus stages ===


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
    message = (
        "A source with quality_filter must have a classifier. Received: "
        "filter.classifier=None for a. Train one with keras-gpt3 corpus "
        "train-filter, or set sources.a.quality_filter=false."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        needed_stages(config(is_filtered=True))


def test_a_classifier_with_nothing_to_filter_raises():
    section = FilterSection(classifier="classifier")
    message = (
        "A classifier must have a source to filter. Received: "
        "filter.classifier='classifier', and no source with quality_filter. "
        "Set sources.NAME.quality_filter=true, or leave the classifier out."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
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
    own = {
        "filter": {"seed": 7, "sources": ["a"]},
        "dedup": {"remove_documents_of": {"a": ["b"]}},
        "shard": {"seed": 7},
    }
    assert found["more"] == own.get(name, {}) | {
        "options": "options",
        "verbose": False,
        "overwrite": True,
    }
