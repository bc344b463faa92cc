import json
import socket

import numpy as np
import pytest

from keras_gpt3.corpus.corpus_config import ReadSection
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from keras_gpt3.corpus.read import read_file_part
from keras_gpt3.corpus.read.read_file_part import ReadFilePart
from keras_gpt3.corpus.read.read_file_part import identify_language
from keras_gpt3.corpus.read.read_file_part import ids_path
from keras_gpt3.corpus.read.read_file_part import repair_text
from keras_gpt3.corpus.read.read_file_part import repeated_places
from keras_gpt3.corpus.read.read_file_part import write_ids

# === Read file part ===


ENGLISH = "It was the best of times, it was the worst of times."
GERMAN = "Es war einmal ein K\u00f6nig, der hatte eine Tochter."


@pytest.fixture
def read(tmp_path):
    path = tmp_path / "in" / "a.jsonl"
    path.parent.mkdir()

    def read(texts, **settings):
        path.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts))
        part = StagePart(
            "novels", "part-00000", str(tmp_path / "1"), str(path), "1f"
        )
        counts = ReadFilePart(
            {"novels": str(tmp_path)}, ReadSection(**settings)
        )(part)
        kept = list(read_part(part.output))
        rejected = list(
            map(json.loads, read_part_lines(part.rejected("rejected")))
        )
        assert counts["documents_out"] == len(kept)
        assert sum(counts["dropped"].values()) == len(rejected)
        assert np.load(ids_path(part)).shape == (2, len(kept))
        return kept, rejected, counts

    return read


def test_documents_are_repaired_and_named_below_the_root(read):
    kept, rejected, counts = read(["cafÃ©\r\n", ENGLISH])
    assert [document.text for document in kept] == ["café", ENGLISH]
    assert kept[0].id == "novels/in/a.jsonl:1"
    assert kept[0].extra == {}
    assert rejected == []
    assert counts["documents_in"] == 2
    assert counts["files"] == 1


def test_other_languages_are_rejected(read):
    kept, rejected, counts = read([ENGLISH, GERMAN, "123"], languages=["en"])
    assert [document.text for document in kept] == [ENGLISH]
    assert kept[0].extra["language"] == "en"
    assert kept[0].extra["language_score"] > 0.5
    assert [a["detail"]["language"] for a in rejected] == ["de", "und"]
    assert counts["dropped"] == {"other language": 2}
    assert sum(counts["histograms"]["language score"].values()) == 1


def test_a_language_that_is_not_sure_is_rejected(read):
    _, _, counts = read([ENGLISH], languages=["en"], min_language_score=1.0)
    assert counts["dropped"] == {"unsure language": 1}


def test_short_and_empty_texts_are_rejected(read):
    kept, rejected, counts = read(
        ["  \n", "Once", "Once upon"], min_characters=5
    )
    assert [document.text for document in kept] == ["Once upon"]
    assert [record["reason"] for record in rejected] == [
        "empty text",
        "short text",
    ]
    _, _, counts = read(["", "x"], min_characters=0)
    assert counts["dropped"] == {"empty text": 1}


def test_half_a_surrogate_pair_can_be_written(read):
    kept, _, _ = read(["Once \ud800 upon"])
    assert kept[0].text == "Once \ufffd upon"


def test_a_crawl_s_own_records_are_counted_and_no_loss(tmp_path):
    path = tmp_path / "a.warc.wet"
    record = (
        "WARC/1.0\r\nWARC-Type: {}\r\nContent-Length: 4\r\n\r\nOnce\r\n\r\n"
    )
    kinds = ["warcinfo", "request", "conversion", "request"]
    path.write_text("".join(map(record.format, kinds)), newline="")
    part = StagePart(
        "crawl", "part-00000", str(tmp_path / "1"), str(path), "1f"
    )
    counts = ReadFilePart({"crawl": str(tmp_path)})(part)
    assert counts["other_records"] == {"warcinfo": 1, "request": 2}
    assert counts["documents_in"] == counts["documents_out"] == 1
    assert counts["dropped"] == {}


# === Language ===


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("It was the best of times, it was the worst of times.", "en"),
        ("Es war einmal ein K\u00f6nig, der hatte eine Tochter.", "de"),
        ("Il \u00e9tait une fois\nun roi et une reine.", "fr"),
        ("\u543e\u8f29\u306f\u732b\u3067\u3042\u308b\u3002", "ja"),
        ("THIS IS A HEADING OF A PAGE IN ENGLISH", "en"),
    ],
)
def test_the_language_is_found(text, code):
    found, score = identify_language(text)
    assert found == code
    assert 0.5 < score <= 1
    assert identify_language(text) == (found, score)


@pytest.mark.parametrize("text", ["", "  \n", "12 + 30 = 42", "---"])
def test_a_text_without_a_letter_has_none(text):
    assert identify_language(text) == ("und", 0.0)


def test_nothing_is_downloaded(monkeypatch):
    def refuse(*arguments, **options):
        raise OSError("No network.")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    read_file_part._detector.cache_clear()
    assert identify_language("It was the best of times.")[0] == "en"


def test_only_the_first_characters_decide():
    english = "It was the best of times. " * 50
    german = "Es war einmal ein K\u00f6nig. " * 500
    assert identify_language(english + german) == identify_language(english)


# === Repeated ids ===


def write(folder, parts):
    paths = [folder / f"{number}.npy" for number in range(len(parts))]
    for path, ids in zip(paths, parts, strict=True):
        write_ids(path, ids)
    return paths


def naive(parts):
    seen, places = set(), []
    for part in parts:
        places.append(
            [i for i, x in enumerate(part) if x in seen or part.index(x) < i]
        )
        seen.update(part)
    return places


@pytest.mark.parametrize("bucket_ids", [1, 7, 2**22])
def test_the_later_of_equal_ids_is_found_whatever_the_buckets(
    tmp_path, bucket_ids
):
    generator = np.random.default_rng(0)
    parts = [
        [str(i) for i in generator.integers(0, 60, size)]
        for size in (20, 0, 30, 1, 25)
    ]
    paths = write(tmp_path, parts)
    assert repeated_places(paths, bucket_ids) == naive(parts)


def test_nothing_is_found_where_nothing_is(tmp_path):
    assert repeated_places([]) == []
    assert repeated_places(write(tmp_path, [[], []])) == [[], []]
    assert repeated_places(write(tmp_path, [["a"], ["b", "c"]])) == [[], []]


# === Text repair ===


@pytest.mark.parametrize(
    ("text", "repaired"),
    [
        ("cafÃ©", "café"),
        ("a\r\nb\rc\u2028d", "a\nb\nc\nd"),
        ("a\x00b\x07c", "abc"),
        ("\x1b[31mred\x1b[0m", "red"),
        ("cafe\u0301", "café"),
        ("x\ud800y", "x\ufffdy"),
        ("  Once\n\n", "Once"),
        ("", ""),
    ],
)
def test_what_is_broken_is_mended(text, repaired):
    assert repair_text(text) == repaired
    assert repair_text(repaired) == repaired


@pytest.mark.parametrize(
    "text",
    [
        "It\u2019s \u201cquoted\u201d",
        "\ufb01ne \uff21",
        "&amp; <b>",
        "a\tb\n\nc",
        "\u0645\u0631\u062d\u0628\u0627",
        "\U0001f600",
    ],
)
def test_what_is_right_stays(text):
    assert repair_text(text) == text
