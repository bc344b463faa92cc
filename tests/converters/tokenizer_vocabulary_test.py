import pytest

from keras_gpt3.converters.tokenizer_json import check_merges
from keras_gpt3.converters.tokenizer_json import merges_text
from keras_gpt3.converters.tokenizer_json import read_merges
from keras_gpt3.converters.tokenizer_json import read_tokens


def test_no_files_are_none(tmp_path):
    assert read_tokens(tmp_path / "vocab.json") is None
    assert read_merges(tmp_path / "merges.txt") is None


def test_reads_back_what_it_writes(tmp_path):
    merges = ["h e", "Ġ t", "# v"]
    (tmp_path / "merges.txt").write_text(merges_text(merges), "utf-8")
    assert read_merges(tmp_path / "merges.txt") == merges


@pytest.mark.parametrize("ending", ["", "\n", "\n\n"])
@pytest.mark.parametrize("version", ["", "#version: 0.2\n"])
def test_a_version_and_a_last_line_break_are_optional(
    version, ending, tmp_path
):
    path = tmp_path / "merges.txt"
    path.write_text(f"{version}h e\nhe l{ending}", "utf-8")
    assert read_merges(path) == ["h e", "he l"]


def test_tokens_that_stand_for_no_word_need_no_rule():
    vocabulary = {"Ġ": 0, "t": 1, "Ġt": 2, "madeupword0000": 3, "Ġ<x>": 4}
    check_merges("merges.txt", ["Ġ t"], vocabulary, special_tokens=["Ġ<x>"])


@pytest.mark.parametrize(
    ("merges", "named"),
    [
        (["Ġ t"], "no rule makes 'Ġth'"),
        (["Ġ t", "Ġt h", "t h"], "'t h' makes 'th', which has no id"),
    ],
)
def test_merges_that_were_cut_or_are_of_others_raise(merges, named):
    vocabulary = {"Ġ": 0, "t": 1, "h": 2, "Ġt": 3, "Ġth": 4}
    with pytest.raises(ValueError, match=rf"merges\.txt' \({named}\)\. Down"):
        check_merges("merges.txt", merges, vocabulary)


@pytest.mark.parametrize("content", [b"h e\nhe\n", b"h e l\n", b"h \xff\n"])
def test_a_damaged_merges_txt_is_named(content, tmp_path):
    path = tmp_path / "merges.txt"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"merges\.txt' \(.*\)\. Download it"):
        read_merges(path)


@pytest.mark.parametrize(
    "content",
    ['{"a": 1, "b": 1}', '{"a": "1"}', '{"a": [1]}', '{"a": -1}', "{"],
)
def test_a_damaged_vocab_json_is_named(content, tmp_path):
    path = tmp_path / "vocab.json"
    path.write_text(content, "utf-8")
    with pytest.raises(ValueError, match=r"vocab\.json' \(.*\)\. Download it"):
        read_tokens(path)
