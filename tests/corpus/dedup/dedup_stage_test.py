import dataclasses
import pathlib

import pytest

from keras_gpt3.corpus.corpus_config import DedupSection
from keras_gpt3.corpus.dedup import dedup_stage as module
from keras_gpt3.corpus.dedup.dedup_stage import dedup_stage
from keras_gpt3.corpus.dedup.duplicate_pairs import DuplicatePairs
from keras_gpt3.corpus.dedup.duplicate_pairs import jaccard_similarities
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures
from tests.corpus.part_files import dropped
from tests.corpus.part_files import kept_ids
from tests.corpus.part_files import write_parts
from tests.fixtures.corpus.planted_duplicates import edited_copies

SETTINGS = DedupSection(max_band_documents=50)


def words(start, stop):
    return " ".join(f"word{i}" for i in range(start, stop))


def run(folder, inputs, settings=SETTINGS, workers=1, **kwargs):
    options = beam_options(workers=workers)
    return dedup_stage(settings, inputs, folder, options=options, **kwargs)


def contents(stage):
    return [pathlib.Path(item.path).read_bytes() for item in stage.outputs()]


@pytest.fixture(scope="module")
def copies():
    return {
        copy.id: copy.text
        for copy in edited_copies((0.0, 0.02, 0.1), sets=("novels",))
    }


@pytest.fixture(scope="module")
def finished(tmp_path_factory, copies):
    folder = tmp_path_factory.mktemp("dedup")
    return run(folder / "out", write_parts(folder / "in", copies, 3))


# === What goes ===


def test_one_document_of_each_planted_cluster_stays(finished, copies):
    kept, gone = kept_ids(finished), dropped(finished)
    assert sorted([*kept, *gone]) == sorted(copies)
    # 40 originals of four documents each.
    assert len({name.rsplit("/", 1)[0] for name in kept}) <= len(kept) <= 42
    assert {r["reason"] for r in gone.values()} == {
        "exact duplicate",
        "near duplicate",
    }
    totals = finished.totals
    assert totals["all"]["documents_in"] == len(copies)
    assert totals["all"]["documents_out"] == len(kept)
    assert totals["all"]["dropped"].keys() == totals["all"]["samples"].keys()
    assert totals["histograms"]["cluster_size"]["4"] >= 38
    assert totals["bands"]["split_bands"] == 0


def test_what_matched_is_named_with_its_exact_similarity(finished, copies):
    kept = set(kept_ids(finished))
    features = HashedFeatures()
    for name, record in dropped(finished).items():
        match = record["detail"]
        assert match["kept"] in kept
        one, other = (
            features.transform([copies[i]]) for i in (name, match["matched"])
        )
        (exact,) = jaccard_similarities(one, other, [0], [0])
        assert match["similarity"] == pytest.approx(exact, abs=1e-4)
        assert match["similarity"] >= SETTINGS.threshold


def test_near_duplicates_of_near_duplicates_are_one_cluster(tmp_path):
    # Neighbours have 90 of 110 words in common, the ends none.
    texts = {str(i): words(10 * i, 10 * i + 100) for i in range(12)}
    stage = run(tmp_path / "out", write_parts(tmp_path / "in", texts, 2))
    assert len(kept_ids(stage)) == 1
    assert stage.totals["histograms"]["cluster_size"] == {"8": 1}


# === The same whatever the way ===


@pytest.mark.slow
@pytest.mark.parametrize(
    ("num_parts", "block", "workers"),
    [(1, 2**16, 1), (5, 20, 1), (2, 2**16, 2)],
)
def test_parts_blocks_and_workers_do_not_count(
    tmp_path, monkeypatch, finished, copies, num_parts, block, workers
):
    monkeypatch.setattr(module, "_ENTRIES_PER_BLOCK", block)
    shuffled = dict(sorted(copies.items(), key=lambda item: item[1]))
    inputs = write_parts(tmp_path / "in", shuffled, num_parts)
    stage = run(tmp_path / "out", inputs, workers=workers)
    assert kept_ids(stage) == kept_ids(finished)
    assert dropped(stage) == dropped(finished)
    for name in ("bands", "histograms"):
        assert stage.totals[name] == finished.totals[name]


@pytest.mark.slow
def test_a_run_that_was_stopped_goes_on_to_the_same_bytes(tmp_path, copies):
    inputs = write_parts(tmp_path / "in", copies, 3)
    whole = run(tmp_path / "out", inputs)
    before = contents(whole)
    # As if killed while the parts were written.
    (tmp_path / "out" / "stage.json").unlink()
    (tmp_path / "out" / "web" / "part-00001.json").unlink()
    again = run(tmp_path / "out", inputs)
    assert contents(again) == before
    assert again.totals == whole.totals
    assert not (tmp_path / "out" / ".duplicates").exists()


@pytest.mark.parametrize("broken", ["connected_components", "_keep_drops"])
@pytest.mark.quick_cases(1)
def test_a_search_that_was_stopped_goes_on_where_it_was(
    tmp_path, monkeypatch, finished, copies, broken
):
    inputs = write_parts(tmp_path / "in", copies, 3)

    def stopped(*arguments):
        raise OSError("stopped")

    with monkeypatch.context() as patch:
        patch.setattr(module, broken, stopped)
        with pytest.raises(OSError, match="stopped"):
            run(tmp_path / "out", inputs)
    # Not found anew, and what is of other inputs goes.
    monkeypatch.setattr(DuplicatePairs, "_add_equal", stopped)
    monkeypatch.setattr(DuplicatePairs, "_add_similar", stopped)
    (tmp_path / "out" / ".duplicates" / "1f").mkdir()
    stage = run(tmp_path / "out", inputs)
    assert dropped(stage) == dropped(finished)
    assert not (tmp_path / "out" / ".duplicates").exists()


def test_a_kill_before_the_last_step_leaves_nothing(tmp_path):
    inputs = write_parts(tmp_path / "in", {"a": "one"})
    run(tmp_path / "out", inputs)
    (tmp_path / "out" / ".duplicates" / "1f").mkdir(parents=True)
    assert run(tmp_path / "out", inputs).is_done
    assert not (tmp_path / "out" / ".duplicates").exists()


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [".signatures/web/part-00000.npz", ".drops/web/part-00000.json"]
)
def test_an_index_with_a_file_gone_is_refused_until_dedup_runs_there(
    tmp_path, name
):
    inputs = write_parts(tmp_path / "in", {"a": "one"})
    run(tmp_path / "out", inputs)
    (tmp_path / "out" / name).unlink()
    settings = dataclasses.replace(SETTINGS, index=str(tmp_path / "out"))
    with pytest.raises(FileNotFoundError, match="missing. Run dedup there ag"):
        run(tmp_path / "new", inputs, settings)
    run(tmp_path / "out", inputs)
    assert kept_ids(run(tmp_path / "new", inputs, settings)) == []


@pytest.mark.slow
def test_all_that_is_compared_counts_for_the_number_of_blocks(
    tmp_path, monkeypatch
):
    numbers = []
    find = DuplicatePairs.find

    def counted(pairs, options):
        numbers.append(pairs.num_blocks)
        return find(pairs, options)

    monkeypatch.setattr(DuplicatePairs, "find", counted)
    monkeypatch.setattr(module, "_ENTRIES_PER_BLOCK", 1)
    run(tmp_path / "old", write_parts(tmp_path / "a", {"a": "one"}))
    inputs = write_parts(tmp_path / "b", {"b": "two"}, source="books")
    inputs += write_parts(tmp_path / "b", {"c": "three"})
    settings = dataclasses.replace(SETTINGS, index=str(tmp_path / "old"))
    removed = {"books": ["web"]}
    run(tmp_path / "new", inputs, settings, remove_documents_of=removed)
    # The new web page, as the index' one, is compared with books and web.
    assert numbers == [1 + 1, 1 + 1 + 2 + 2]


# === Other data sets and earlier builds ===


def test_documents_of_another_data_set_are_taken_out(tmp_path):
    web = {"1": words(0, 100), "2": words(200, 300), "2 again": words(200, 300)}
    crawl = {"a": words(3, 100), "b": words(500, 600), "c": words(200, 300)}
    inputs = write_parts(tmp_path / "in", web)
    inputs += write_parts(tmp_path / "in", crawl, 2, source="crawl")
    removed = {"crawl": ["web"]}
    stage = run(tmp_path / "out", inputs, remove_documents_of=removed)
    assert kept_ids(stage, "crawl") == ["b"]
    # The other way nothing is taken: one of web's own copies alone goes.
    assert len(kept_ids(stage, "web")) == 2
    gone = dropped(stage)
    assert gone["a"]["reason"] == gone["c"]["reason"] == "in web"
    assert gone["a"]["detail"] == {
        "matched": "1",
        "similarity": 0.97,
        "kept": "1",
    }
    apart = run(tmp_path / "apart", inputs)
    assert kept_ids(apart, "crawl") == ["a", "b", "c"]


def test_new_documents_are_compared_with_an_earlier_build(tmp_path):
    old = {"1": words(0, 100), "1 again": words(0, 100), "2": words(200, 300)}
    first = run(tmp_path / "old", write_parts(tmp_path / "in", old))
    kept = next(name for name in kept_ids(first) if name[0] == "1")
    # The same ids as there mean nothing.
    new = {"1": words(500, 600), "a": words(0, 98), "2": words(200, 300)}
    settings = dataclasses.replace(SETTINGS, index=str(tmp_path / "old"))
    inputs = write_parts(tmp_path / "new_in", new)
    stage = run(tmp_path / "new", inputs, settings)
    assert kept_ids(stage) == ["1"]
    gone = dropped(stage)
    assert {record["reason"] for record in gone.values()} == {"in the index"}
    # Not the copy that the earlier build dropped.
    assert gone["a"]["detail"]["matched"] == kept
    assert gone["2"]["detail"] == {
        "matched": "2",
        "similarity": 1.0,
        "kept": "2",
    }


# === Odd input ===


def test_texts_without_words_are_duplicates_of_equal_ones_only(tmp_path):
    texts = {"a": "", "b": "  ", "c": "...", "d": "!", "e": "one"}
    stage = run(tmp_path / "out", write_parts(tmp_path / "in", texts))
    assert [n for n in kept_ids(stage) if n not in "ab"] == ["c", "d", "e"]
    assert len(dropped(stage)) == 1


def test_no_documents_are_no_error(tmp_path):
    stage = run(tmp_path / "out", write_parts(tmp_path / "in", {}))
    assert stage.totals["all"]["documents_out"] == 0


def test_a_folder_of_other_settings_is_refused(tmp_path):
    inputs = write_parts(tmp_path / "in", {"a": "one"})
    run(tmp_path / "out", inputs)
    settings = dataclasses.replace(SETTINGS, threshold=0.7)
    with pytest.raises(FileExistsError, match="threshold"):
        run(tmp_path / "out", inputs, settings)
