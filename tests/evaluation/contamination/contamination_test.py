import gzip
import random
import re

import pytest

from keras_gpt3.data.corpus_texts import CorpusTexts
from keras_gpt3.evaluation.contamination.contamination import Contamination
from keras_gpt3.evaluation.contamination.contamination import (
    check_contamination,
)
from keras_gpt3.evaluation.contamination.contamination import ngram_length
from keras_gpt3.evaluation.contamination.contamination import read_scored_texts
from keras_gpt3.evaluation.contamination.contamination_report import (
    plot_contamination,
)
from keras_gpt3.evaluation.contamination.contamination_scores import (
    contamination_scores,
)
from keras_gpt3.evaluation.task_definitions.task_examples import Example

# === Contamination ===


def raises(message, error=ValueError):
    return pytest.raises(error, match=f"^{re.escape(message)}$")


WORDS = [f"word{i}" for i in range(300)]


def random_text(generator, count):
    return " ".join(generator.choices(WORDS, k=count))


def slow_is_dirty(texts, documents, n):
    """Sets of tuples, built without a line of the package."""

    def grams(text):
        words = text.lower().replace(",", "").replace(".", "").split()
        return {tuple(words[i : i + n]) for i in range(len(words) - n + 1)}

    seen = set().union(*map(grams, documents))
    return tuple(bool(grams(text) & seen) for text in texts)


def test_planted_overlaps_are_all_found_and_nothing_else():
    generator = random.Random(0)
    sets = {
        name: [random_text(generator, length) for _ in range(40)]
        for name, length in {"a": 9, "b": 11, "c": 60}.items()
    }
    lengths = {"a": 9, "b": 11, "c": 13}
    documents = [random_text(generator, 500).split() for _ in range(20)]
    planted = {name: set() for name in sets}
    for number, document in enumerate(documents):
        name = "abc"[number % 3]
        example = generator.randrange(40)
        words = sets[name][example].split()
        start = generator.randrange(len(words) - lengths[name] + 1)
        words = words[start : start + lengths[name]]
        # One word short of it is no overlap.
        if number % 4 == 3:
            words.pop()
        else:
            planted[name].add(example)
        shown = [*words[:-1], f'"{words[-1].upper()}",']
        place = generator.randrange(400)
        document[place : place + len(shown)] = shown
    found = check_contamination(sets, map(" ".join, documents))
    for name, contamination in found.items():
        assert contamination.n == lengths[name]
        dirty = {i for i, flag in enumerate(contamination.is_dirty) if flag}
        assert dirty == planted[name]
        assert contamination.num_dirty == len(dirty) > 0
        assert not any(contamination.is_short)


@pytest.mark.parametrize("n", [2, 8])
def test_flags_are_those_of_sets_of_tuples(n):
    generator = random.Random(n)
    texts = [
        ", ".join(generator.choices("abAB", k=generator.randrange(20)))
        for _ in range(60)
    ]
    documents = [". ".join(generator.choices("abc", k=30)) for _ in range(9)]
    found = check_contamination({"x": texts}, documents, n=n)["x"]
    expected = slow_is_dirty(texts, documents, n)
    assert found.is_dirty == expected
    assert 0 < found.num_dirty < 60
    assert found.share_clean == pytest.approx(
        1 - sum(expected) / (60 - found.num_short)
    )
    assert found.num_short > 0


def test_an_example_is_compared_as_its_context_with_the_right_answer():
    asked = Example(
        "Which hill of the seven in Rome is", (" the highest?", " tall?")
    )
    training = ["hill of the seven in Rome is the highest"]
    found = check_contamination({"x": [asked]}, training, n=9)
    assert found["x"].is_dirty == (True,)


@pytest.mark.parametrize("answers", [(), (" That of Jove",)])
def test_without_a_right_answer_the_context_is_compared(answers):
    context = "Which hill of the seven in Rome is the highest?"
    asked = Example(context, answers, holds=False)
    training = ["Which hill of the seven in Rome is the highest"]
    found = check_contamination({"x": [asked]}, training, n=10)
    assert found["x"].is_dirty == (True,)
    training = [f"{context} That of Jove".split(" ", 3)[-1]]
    found = check_contamination({"x": [asked]}, training, n=10)
    assert found["x"].is_dirty == (False,)


def test_generated_sets_alone_may_have_shorter_n_grams():
    sets = {"asked": ["asinoc = casino"], "made": ["asinoc = casino"]}
    found = check_contamination(sets, ["asinoc casino"], synthetic=["made"])
    assert found["asked"] == Contamination(8, (False,), (True,))
    assert found["made"] == Contamination(2, (True,), (False,))


def test_n_grams_of_many_documents_count():
    found = check_contamination({"x": ["a b c"]}, ["a b c"] * 11, n=3)
    assert found["x"].is_dirty == (True,)


def test_an_example_with_fewer_words_is_neither_clean_nor_dirty():
    texts = ["one two three", "one two three four five six seven eight"]
    found = check_contamination({"x": texts}, texts)["x"]
    assert found == Contamination(8, (False, True), (True, False))
    assert found.is_clean == (False, False)
    assert (found.num_short, found.num_dirty, found.num_clean) == (1, 1, 0)
    assert found.share_clean == 0.0


def test_what_cannot_be_compared_has_no_share():
    found = check_contamination({"x": ["one", "two"]}, ["one"])["x"]
    assert found.share_clean is None
    assert found.num_short == 2


@pytest.mark.parametrize(
    ("lengths", "n"),
    [
        ([3, 100], 8),
        ([10, 10, 40], 10),
        ([40, 50], 13),
        # The 5th percentile of 0 to 100 is 5, of 5 to 105 it is 10.
        (range(101), 8),
        (range(5, 106), 10),
    ],
)
def test_n_is_the_fifth_percentile_clipped_to_8_and_13(lengths, n):
    assert ngram_length(list(lengths)) == n


def test_progress_counts_the_documents(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("one two")
    (tmp_path / "b.txt").write_text("three")
    texts = CorpusTexts([tmp_path])
    check_contamination({"x": ["one two"]}, texts, n=1, verbose=True)
    shown = (
        "compare: 100% of the bytes, 2 documents compared, 0:00:00 elapsed\n"
    )
    # Standard output is for the table.
    assert capsys.readouterr() == ("", shown)


def test_progress_is_not_shown_where_no_terminal_is(tmp_path, capsys):
    (tmp_path / "a.txt").write_text("one two")
    check_contamination({"x": ["one two"]}, CorpusTexts([tmp_path]), n=1)
    assert capsys.readouterr() == ("", "")


_NO_EXAMPLE = (
    "An evaluation set must have at least one example. Received: hills with "
    "none. Leave it out."
)


@pytest.mark.parametrize(
    ("sets", "n", "message"),
    [
        ({"hills": []}, None, _NO_EXAMPLE),
        ({"hills": []}, 8, _NO_EXAMPLE),
        (
            {"hills": ["a"]},
            0,
            "n must be an integer of at least 1. Received: n=0. Pass 1 or "
            "more.",
        ),
    ],
)
def test_what_cannot_be_compared_raises(sets, n, message):
    with raises(message):
        check_contamination(sets, ["a"], n=n)


def test_no_length_has_no_percentile():
    message = (
        "There must be at least one example. Received: lengths=[]. Leave the "
        "evaluation set out."
    )
    with raises(message):
        ngram_length([])


# === Contamination plot ===


def result(dirty, clean):
    """Of examples with these scores."""
    is_dirty = (True,) * len(dirty) + (False,) * len(clean)
    found = Contamination(8, is_dirty, (False,) * len(is_dirty))
    return found, contamination_scores(found, dirty + clean)


def texts(figure):
    return [text.get_text() for text in figure.axes[0].texts]


def test_each_set_is_a_point_with_its_interval_and_name(tmp_path):
    results = {
        "quiz": result([1.0] * 30, [1.0, 0.0] * 35),
        "nothing clean": result([1.0], []),
    }
    figure = plot_contamination(results, tmp_path / "plot.png")
    (axes,) = figure.axes
    _, interval, point = axes.lines
    # 70 of 100 are clean; 0.5 / 0.65 - 1.
    assert point.get_xdata()[0] == pytest.approx(70)
    assert point.get_ydata()[0] == pytest.approx(-23.08, abs=0.01)
    low, high = interval.get_ydata()
    assert low < -23.08 < high < 0
    assert texts(figure)[0] == "quiz"
    assert "nothing clean" not in texts(figure)
    assert (tmp_path / "plot.png").stat().st_size > 0


def test_of_many_sets_those_that_change_are_named():
    results = {f"same {i}": result([1.0], [1.0] * i) for i in range(1, 11)}
    results["different"] = result([0.0], [1.0])
    assert texts(plot_contamination(results))[0] == "different"
    assert not any(
        "same" in text for text in texts(plot_contamination(results))
    )


def test_nothing_to_draw_raises():
    with pytest.raises(ValueError, match="Received: no set with a change "):
        plot_contamination({"all dirty": result([1.0], [])})


# === Scored texts ===


def test_texts_come_with_their_scores(tmp_path):
    path = tmp_path / "a.jsonl.gz"
    lines = b'{"text": "one", "score": 1}\n\n{"text": "two", "score": 0.5}\n'
    path.write_bytes(gzip.compress(lines))
    assert read_scored_texts(path) == (["one", "two"], [1.0, 0.5])


def test_texts_may_have_no_scores(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one", "id": 3}')
    assert read_scored_texts(tmp_path / "a.jsonl") == (["one"], None)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"texts": "a"}', "it has no text"),
        (b'{"text": "a", "score": NaN}', "its score is nan"),
        (b'{"text": 3}', "its text is of type int"),
        (b'{"text": "a", "score": "1"}', "its score is of type str"),
    ],
)
def test_what_is_wrong_is_said_with_file_and_line(tmp_path, content, reason):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    message = (
        'Each line must be a JSON object with a string "text" and perhaps a '
        f"finite number \"score\". Received: file='{path}', line=1 ({reason}). "
        "Correct or remove it."
    )
    with raises(message):
        read_scored_texts(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'\n{"text": "a"', r"a.jsonl', line=2 \(Expecting"),
        (b'{"text": "\xff"}', r"line=1 \('utf-8' codec"),
        (b'["a"]', r"line=1 \(it starts an array"),
    ],
)
def test_a_line_of_something_else_raises(tmp_path, content, reason):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(ValueError, match=reason):
        read_scored_texts(tmp_path / "a.jsonl")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (
            b"",
            "A file of texts must hold an example. Received: file='{path}' "
            "with none. Write one object a line.",
        ),
        (
            b'{"text": "a", "score": 1}\n{"text": "b"}\n{"text": "c"}',
            "Each line or none of a file of texts must have a score. Received: "
            "file='{path}', line=2 without one, as 2 of 3. Add what is "
            "missing.",
        ),
    ],
)
def test_a_file_without_what_it_needs_is_named(tmp_path, content, message):
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with raises(message.replace("{path}", str(path))):
        read_scored_texts(path)


def test_a_missing_file_raises(tmp_path):
    path = tmp_path / "a.jsonl"
    message = (
        f"A file of texts must exist. Received: file='{path}'. Correct the "
        "path."
    )
    with raises(message, FileNotFoundError):
        read_scored_texts(path)
