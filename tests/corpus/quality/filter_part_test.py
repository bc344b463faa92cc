import json
import pickle

import numpy as np
import pytest

from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.quality import filter_stage
from keras_gpt3.corpus.quality.filter_stage import FilterPart
from keras_gpt3.corpus.quality.filter_stage import is_kept
from keras_gpt3.corpus.quality.quality_classifier import QualityClassifier
from tests.corpus.part_files import write_parts

TEXTS = {str(i): f"word{i} and word{i + 1}" for i in range(60)}


@pytest.fixture
def classifier(tmp_path):
    weights = np.random.default_rng(0).normal(size=64) * 5
    classifier = QualityClassifier(weights.astype("float32"), 0.5)
    classifier.save(tmp_path / "classifier")
    return classifier


def run(tmp_path, source="web", **kwargs):
    (item,) = write_parts(tmp_path / "in", TEXTS, source=source)
    part = StagePart(source, "part-00000", str(tmp_path), item.path, "1f")
    process_part = FilterPart(str(tmp_path / "classifier"), ("web",), **kwargs)
    # As it goes to a worker.
    counts = pickle.loads(pickle.dumps(process_part))(part)
    kept = list(read_part(part.output))
    lines = read_part_lines(part.rejected("dropped"))
    return counts, kept, [json.loads(line) for line in lines]


@pytest.mark.parametrize("batch", [(7, 10**6), (99, 50)])
def test_documents_are_kept_by_the_rule_and_have_their_score(
    tmp_path, classifier, monkeypatch, batch
):
    monkeypatch.setattr(filter_stage, "_BATCH", batch)
    counts, kept, dropped = run(tmp_path, seed=3)
    scores = dict(
        zip(TEXTS, classifier.scores(list(TEXTS.values())), strict=True)
    )
    expected = [
        name for name in TEXTS if is_kept(scores[name], 3, ("web", name))
    ]
    assert 5 < len(expected) < 55
    assert [document.id for document in kept] == expected
    for document in kept:
        assert document.extra["score"] == pytest.approx(
            scores[document.id], abs=1e-6
        )
    assert len(dropped) == 60 - len(expected)
    for record in dropped:
        assert record["reason"] == "low quality"
        assert record["detail"]["score"] == pytest.approx(
            scores[record["id"]], abs=1e-6
        )
    assert counts["documents_in"] == 60
    assert counts["dropped"] == {"low quality": len(dropped)}
    histograms = counts["histograms"]
    assert sum(histograms["score"].values()) == 60
    assert sum(histograms["score_kept"].values()) == len(expected)


@pytest.mark.usefixtures("classifier")
def test_alpha_decides_how_many_of_low_score_are_kept(tmp_path):
    counts = [
        run(tmp_path, alpha=alpha)[0]["documents_out"] for alpha in (1, 9, 99)
    ]
    assert counts[0] > counts[1] > counts[2]


def test_another_source_passes_as_it_is(tmp_path):
    counts, kept, dropped = run(tmp_path, source="books")
    assert [document.text for document in kept] == list(TEXTS.values())
    assert dropped == [] and kept[0].extra == {}
    assert counts["documents_out"] == 60
