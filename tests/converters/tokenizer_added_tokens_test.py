import pytest

from keras_gpt3.converters.tokenizer_json import add_tokens
from keras_gpt3.converters.tokenizer_json import check_one_pass
from keras_gpt3.converters.tokenizer_json import token_content

FLAGS = {"lstrip": False, "rstrip": False, "single_word": False}


@pytest.mark.parametrize(
    "token",
    [
        "<a>",
        {"content": "<a>"},
        {"content": "<a>", **FLAGS, "normalized": True, "special": False},
    ],
)
def test_a_token_is_a_string_or_an_object(token):
    assert token_content("a.json", "eos_token", token) == "<a>"


@pytest.mark.parametrize("flag", FLAGS)
def test_a_token_that_takes_more_than_itself_raises(flag):
    token = {"content": "<a>", **FLAGS, flag: True}
    with pytest.raises(ValueError, match=rf"{flag} of '<a>'=True\. Use the"):
        token_content("a.json", "eos_token", token)


@pytest.mark.parametrize("token", ["", 3, None, [], {}, {"content": ""}])
def test_what_is_no_token_raises(token):
    with pytest.raises(ValueError, match=r"a\.json' \(eos_token=.*\)\. Down"):
        token_content("a.json", "eos_token", token)


@pytest.mark.parametrize(
    ("normalized", "other"),
    [(True, "<b>"), (False, "<a><b>"), (False, "<a"), (False, "><c>")],
)
def test_one_pass_finds_tokens_that_do_not_overlap(normalized, other):
    first = {"content": "<a>", "normalized": False}
    check_one_pass("a", [first, {"content": other, "normalized": normalized}])


@pytest.mark.parametrize("other", ["<a><b>", "a", "><c>", "<<"])
def test_tokens_of_two_passes_must_not_overlap(other):
    second = {"content": other, "normalized": True}
    message = f"normalized of '<a>'=False. Give '{other}', which overlaps"
    with pytest.raises(ValueError, match=message):
        check_one_pass("a.json", [second, {"content": "<a>"}])


def test_adds_new_tokens_and_keeps_known_ones():
    vocabulary = {"a": 0, "<b>": 1}
    added = [("x.json", "<b>", 1), ("x.json", "<c>", 2), ("y.json", "<c>", 2)]
    assert add_tokens(vocabulary, added) == {"a": 0, "<b>": 1, "<c>": 2}
    assert vocabulary == {"a": 0, "<b>": 1}


@pytest.mark.parametrize("ids", [(3, 4), (2, 4), (4, 2)])
def test_a_hole_before_a_new_id_raises(ids):
    # transformers would number them 2 and 3, whatever the file says.
    added = [("x.json", f"<{id}>", id) for id in ids]
    wrong = max(ids) if 2 in ids else min(ids)
    message = (
        rf"x\.json', id of '<{wrong}>'={wrong}\. Give it the id {wrong - 1},"
    )
    with pytest.raises(ValueError, match=message) as error:
        add_tokens({"a": 0, "<b>": 1}, added)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("token", "id", "named"),
    [
        ("<b>", 0, "id=0 of both 'a' and '<b>'"),
        ("a", 1, "id of 'a' is 1, elsewhere 0"),
        ("<b>", "1", "id of '<b>' is '1'"),
        ("<b>", -1, "id of '<b>' is -1"),
        ("<b>", True, "id of '<b>' is True"),
    ],
)
def test_ids_that_clash_raise(token, id, named):
    with pytest.raises(ValueError, match=rf"x\.json' \({named}\)\. Download"):
        add_tokens({"a": 0}, [("x.json", token, id)])
