import pytest

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import RejectedRecord
from keras_gpt3.corpus.pipeline.part_counts import PartCounts
from keras_gpt3.corpus.pipeline.part_counts import length_bin
from keras_gpt3.corpus.pipeline.part_counts import merge_counts

# === Part counts ===


def counts_of(lengths, min_characters):
    counts = PartCounts()
    for number, length in enumerate(lengths):
        document = Document(f"{number}", "novels", "x" * length)
        counts.read(document)
        counts.observe("share", length / 10, 0.5)
        if length >= min_characters:
            counts.keep(document)
        else:
            counts.drop(RejectedRecord.of_document(document, "short"))
    return counts.to_json()


def test_documents_and_characters_are_counted_on_either_side():
    counts = counts_of([3, 8, 9, 20], min_characters=8)
    assert counts["documents_in"] == 4 and counts["documents_out"] == 3
    assert counts["characters_in"] == 40 and counts["characters_out"] == 37
    assert counts["dropped"] == {"short": 1}
    assert counts["histograms"]["length"] == {"8": 2, "16": 1}
    assert counts["histograms"]["share"] == {"0": 1, "0.5": 2, "2": 1}


def test_a_few_samples_of_a_reason_are_kept_cut_short():
    counts = counts_of([400] * 9, min_characters=500)
    assert counts["dropped"] == {"short": 9}
    samples = counts["samples"]["short"]
    assert [sample["id"] for sample in samples] == list("01234")
    assert {len(sample["text"]) for sample in samples} == {300}


def test_parts_add_up():
    merged = merge_counts([counts_of([3], 8), counts_of([9, 4], 8)])
    assert (merged["documents_in"], merged["documents_out"]) == (3, 1)
    assert merged["dropped"] == {"short": 2}
    assert len(merged["samples"]["short"]) == 2
    assert merged["histograms"]["share"] == {"0": 2, "0.5": 1}


def test_bins_of_scores_begin_at_their_multiples():
    counts = PartCounts()
    for hundredth in range(101):
        counts.observe("score", hundredth / 100)
    bins = counts.to_json()["histograms"]["score"]
    assert bins == {f"{5 * i / 100:.6g}": 5 for i in range(20)} | {"1": 1}


@pytest.mark.parametrize(
    ("number", "lower"), [(0, "0"), (1, "1"), (7, "4"), (8, "8"), (9, "8")]
)
def test_bins_of_sizes_begin_at_powers_of_two(number, lower):
    assert length_bin(number) == lower


# === Merge counts ===


def test_numbers_add_and_dicts_merge():
    counts = [
        {"in": 2, "dropped": {"short": 1}, "mean": 0.5},
        {"in": 3, "dropped": {"short": 2, "binary": 1}},
    ]
    assert merge_counts(counts) == {
        "dropped": {"binary": 1, "short": 3},
        "in": 5,
        "mean": 0.5,
    }


def test_lists_give_in_turn_up_to_twenty_items():
    counts = [{"samples": list("abc")}, {"samples": []}, {"samples": ["d"]}]
    assert merge_counts(counts) == {"samples": list("adbc")}
    many = [{"samples": [number, -number]} for number in range(15)]
    merged = merge_counts(many)["samples"]
    assert merged == [*range(15), 0, -1, -2, -3, -4]


def test_nothing_merges_to_nothing():
    assert merge_counts([]) == {}
    assert merge_counts(iter([{}, {}])) == {}
