from keras_gpt3.corpus.pipeline.part_counts import merge_counts


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
