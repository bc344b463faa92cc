import json

import matplotlib.image
import pytest

from keras_gpt3.corpus.report import plot_cluster_sizes
from keras_gpt3.corpus.report import plot_lengths
from keras_gpt3.corpus.report import plot_scores
from keras_gpt3.corpus.report import plot_stages
from keras_gpt3.corpus.report import write_corpus_report
from keras_gpt3.reporting.figures import save_figure

# === Report ===


def totals(documents_in, dropped, **more):
    counts = {
        "documents_in": documents_in,
        "documents_out": documents_in - sum(dropped.values()),
        "characters_in": 100 * documents_in,
        "characters_out": 50 * documents_in,
        "dropped": dropped,
        "histograms": {"length": {"64": documents_in}},
    } | more
    return {"all": counts, "sources": {"novels": counts}}


SAMPLE = {
    "id": "a|b",
    "source": "novels",
    "where": None,
    "detail": {"kept": "c", "similarity": 0.9},
    "text": "<b>Once</b>\nupon\x00a time " + "x" * 500,
}


@pytest.fixture
def summary():
    dedup = totals(
        7, {"near duplicate": 2}, samples={"near duplicate": [SAMPLE] * 5}
    )
    dedup["histograms"] = {"cluster_size": {"2": 2}}
    score = {"score": {"0.5": 5}, "length": {"64": 7}}
    shards = {"train": {"folder": "f", "tokens": 1200, "documents": 5}}
    return {
        "sources": {
            "novels": {
                "licence": "Public domain.",
                "weight": 0.25,
                "shards": shards,
            }
        },
        "stages": {
            "read": totals(9, {"no JSON": 2}),
            "filter": totals(7, {}, histograms=score),
            "dedup": dedup,
        },
    }


def test_the_report_has_tables_plots_and_samples(tmp_path, summary):
    write_corpus_report(summary, tmp_path / "report")
    names = {path.name for path in (tmp_path / "report").iterdir()}
    pages = {f"corpus.{suffix}" for suffix in ("html", "md", "json")}
    plots = {
        f"{name}.png" for name in ("stages", "scores", "clusters", "lengths")
    }
    assert names == pages | plots
    text = (tmp_path / "report" / "corpus.md").read_text()
    assert "| novels | 1,200 | 100.0% | 25.0% | 0 | Public domain. |" in text
    assert "| dedup | novels | 7 | 5 | 2 | 700 | 350 | 50.0% |" in text
    assert "| dedup | novels | near duplicate | 2 |" in text
    samples = [line for line in text.splitlines() if "similarity" in line]
    # Three of five, each in one line without tags.
    assert len(samples) == 3
    assert samples[0].startswith("| near duplicate | novels | a\\|b | {")
    assert "&lt;b&gt;Once&lt;/b&gt; upon a time" in samples[0]
    assert len(samples[0]) < 400
    found = json.loads((tmp_path / "report" / "corpus.json").read_text())
    assert found == summary


def test_the_page_needs_no_other_file(tmp_path, summary):
    write_corpus_report(summary, tmp_path)
    page = (tmp_path / "corpus.html").read_text()
    assert page.count("data:image/png;base64,") == 4
    assert "<b>Once" not in page


def test_a_report_takes_the_place_of_an_earlier_one(tmp_path, summary):
    write_corpus_report(summary, tmp_path)
    del summary["stages"]["filter"]
    write_corpus_report(summary, tmp_path)
    assert not (tmp_path / "scores.png").exists()
    assert (tmp_path / "clusters.png").exists()


def test_a_build_that_dropped_nothing_says_so(tmp_path):
    summary = {
        "sources": {"a": {"licence": "", "weight": None, "shards": {}}},
        "stages": {"read": totals(0, {})},
    }
    write_corpus_report(summary, tmp_path)
    assert "Nothing was dropped." in (tmp_path / "corpus.md").read_text()


# === Corpus plots ===


COUNTS = {"documents_in": 9, "documents_out": 7, "dropped": {"short": 2}}


@pytest.mark.parametrize(
    ("plot", "shown", "other"),
    [
        (
            plot_stages,
            {"read": {"all": COUNTS}},
            {"read": {"all": COUNTS | {"dropped": {"short": 3}}}},
        ),
        (plot_scores, {"0.05": 3, "0.9": 5, "1": 1}, {"0.05": 3}),
        (plot_cluster_sizes, {"2": 40, "16": 3}, {"2": 40}),
        (
            plot_lengths,
            {"read": {"0": 2, "512": 3, "1024": 9}, "dedup": {"512": 1}},
            {"read": {"0": 2, "512": 3, "1024": 9}, "dedup": {"1024": 1}},
        ),
        (plot_lengths, {"read": {"0": 1}}, {"read": {"0": 2}}),
    ],
)
def test_what_is_shown_changes_with_the_numbers(tmp_path, plot, shown, other):
    paths = [tmp_path / f"{i}.png" for i in range(2)]
    for numbers, path in zip((shown, other), paths, strict=True):
        save_figure(plot(numbers), path)
    pictures = [matplotlib.image.imread(path) for path in paths]
    # Drawn upon, not white alone.
    assert all(picture.std() > 0.01 for picture in pictures)
    same = pictures[0].shape == pictures[1].shape
    assert not same or (pictures[0] != pictures[1]).any()


@pytest.mark.parametrize(
    ("plot", "shown"),
    [
        (plot_stages, {name: {"all": COUNTS} for name in ("read", "dedup")}),
        (plot_lengths, {name: {"8": 3, "16": 4} for name in ("read", "dedup")}),
    ],
)
def test_nothing_hides_a_bar_or_a_series(plot, shown):
    figure = plot(shown)
    figure.draw_without_rendering()
    (axes,) = figure.axes
    legend = axes.get_legend().get_window_extent()
    assert legend.y0 >= axes.get_window_extent().y1
    # The same numbers twice: the first is seen beside the second.
    widths = [line.get_linewidth() for line in axes.lines]
    assert widths == sorted(set(widths), reverse=True)
