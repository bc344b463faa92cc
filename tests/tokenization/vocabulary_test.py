import json
import random

import pytest

from keras_gpt3 import preset_loader
from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import are_in_order
from keras_gpt3.tokenization.vocabulary import byte_name
from keras_gpt3.tokenization.vocabulary import check_merge_rules
from keras_gpt3.tokenization.vocabulary import read_merge_rules
from keras_gpt3.tokenization.vocabulary import read_vocabulary
from keras_gpt3.tokenization.vocabulary import symbols_to_bytes
from tests.tokenization.slow_byte_pair_encoding import merge_ranks
from tests.tokenization.slow_byte_pair_encoding import slow_encode
from tests.tokenization.small_vocabulary import small_vocabulary

# === Vocabulary ===


def test_reads_a_dict_and_its_json_alike():
    vocabulary, _ = small_vocabulary()
    assert read_vocabulary(vocabulary) == vocabulary
    assert read_vocabulary(json.dumps(vocabulary)) == vocabulary


def test_copies_the_dict():
    vocabulary = {"a": 0}
    assert read_vocabulary(vocabulary) is not vocabulary


@pytest.mark.parametrize(
    ("vocabulary", "received"),
    [
        ({"a": 0, "b": -1}, "'b': -1"),
        ({"a": 0, "b": 1.5}, "'b': 1.5"),
        ({"a": 0, "b": "1"}, "'b': '1'"),
        ({"a": 0, "b": 1, "c": 1}, "id=1 of both 'b' and 'c'"),
    ],
)
def test_refuses_bad_ids(vocabulary, received):
    with pytest.raises(ValueError) as error:
        read_vocabulary(vocabulary)
    assert str(error.value) == (
        "A vocabulary's ids must be distinct integers of at least 0. "
        f"Received: {received}. Renumber the tokens."
    )


@pytest.mark.parametrize("content", ["{not json", "[1, 2]", ["a", "b"], None])
def test_refuses_what_is_no_vocabulary(content):
    with pytest.raises(ValueError) as error:
        read_vocabulary(content)
    assert str(error.value) == (
        "A vocabulary must be a dict or a file with one JSON object, token to "
        f"id. Received: {content!r}. Pass the path of an encoder.json."
    )


@pytest.mark.parametrize(
    ("byte", "name"), [(0x71, "0x71 (q)"), (0x27, "0x27"), (0xC3, "0xC3")]
)
def test_names_a_byte(byte, name):
    assert byte_name(byte) == name


def test_refuses_an_empty_vocabulary():
    message = r"^A vocabulary must hold tokens. Received: 0 of them. Pass a dic"
    with pytest.raises(ValueError, match=message):
        BytePairEncoding({}, [], ())


def test_refuses_a_missing_special_token():
    vocabulary, merges = small_vocabulary()
    message = (
        r"Special tokens must be in the vocabulary\. Received: special_tokens="
        r"\('<s>',\), '<s>' is missing\. Add it to vocabulary\."
    )
    with pytest.raises(ValueError, match=message):
        BytePairEncoding(vocabulary, merges, special_tokens=("<s>",))


def test_refuses_a_token_outside_the_alphabet():
    vocabulary, merges = small_vocabulary()
    vocabulary[" the"] = 400
    message = (
        r"Tokens must be spelled in GPT-2's byte alphabet \(a space is 'Ġ'\)\. "
        r"Received: a token with ' '\. Respell it"
    )
    with pytest.raises(ValueError, match=message):
        BytePairEncoding(vocabulary, merges)


# === Byte alphabet ===


def test_symbols_are_the_one_character_tokens_of_the_shipped_vocabulary():
    encoder_path, _ = preset_loader.vocabulary_paths()
    vocabulary = json.loads(encoder_path.read_text("utf-8"))
    single = {token for token in vocabulary if len(token) == 1}
    assert set(BYTE_SYMBOLS) == single
    assert len(BYTE_SYMBOLS) == 256


def test_spells_every_byte():
    assert symbols_to_bytes("".join(BYTE_SYMBOLS)) == bytes(range(256))
    assert symbols_to_bytes("ĠtheĊ") == b" the\n"


def test_knows_no_space():
    with pytest.raises(KeyError, match=" "):
        symbols_to_bytes(" the")


# === Merge rules ===


RULES = [("h", "e"), ("he", "r")]


@pytest.mark.parametrize(
    "merges",
    [
        ["h e", "he r"],
        ["#version: 0.2", "h e", "he r"],
        "h e\nhe r",
        "#version: 0.2\r\nh e\r\nhe r\r\n",
    ],
)
def test_reads_lists_and_files_with_or_without_version_line(merges):
    assert read_merge_rules(merges) == RULES


def test_a_rule_that_begins_with_a_number_sign_is_no_version_line():
    assert read_merge_rules(["# version:"]) == [("#", "version:")]


@pytest.mark.parametrize("rule", ["he", "h e r", " e", "h  e"])
def test_refuses_what_is_no_rule(rule):
    message = r"A merge rule must be two tokens with one space between\. "
    with pytest.raises(ValueError, match=f"{message}Received: rule='{rule}'"):
        read_merge_rules([rule])


@pytest.mark.parametrize(
    ("merges", "message"),
    [
        (
            ["h e", "he x"],
            "have its parts and its result in the vocabulary. Received: "
            "rule='he x' (number 1). Pass",
        ),
        (["he r"], "join bytes or results of rules. Received: rule='he r' "),
        (
            ["h e", "e r", "h er"],
            "be reachable: no earlier rule may break up its parts. Received: "
            "rule='h er' (number 2).",
        ),
        (
            ["h er", "h e", "e r"],
            "be reachable: no earlier rule may break up its parts. Received: "
            "rule='h er' (number 0).",
        ),
        (["h e", "h e"], "have a result that no earlier rule has. Received: "),
    ],
)
def test_refuses_rules_that_do_not_fit(merges, message):
    vocabulary = {
        s: i for i, s in enumerate([*BYTE_SYMBOLS, "he", "er", "her"])
    }
    with pytest.raises(ValueError) as error:
        check_merge_rules(read_merge_rules(merges), vocabulary)
    assert f"A merge rule must {message}" in str(error.value)


def test_tells_whether_rules_are_in_order():
    assert are_in_order([])
    assert are_in_order(RULES)
    assert not are_in_order(RULES[::-1])


@pytest.mark.parametrize("in_order", [True, False])
def test_accepts_exactly_the_rules_whose_result_encodes_to_itself(in_order):
    choices = random.Random(0)
    num_accepted = 0
    for _ in range(300):
        merges = random_merges(choices)
        if not in_order:
            choices.shuffle(merges)
        tokens = [*BYTE_SYMBOLS, *(rule.replace(" ", "") for rule in merges)]
        vocabulary = {token: id for id, token in enumerate(tokens)}
        ranks = merge_ranks(merges)
        reachable = all(
            slow_encode(token, vocabulary, ranks) == [vocabulary[token]]
            for token in tokens[256:]
        )
        try:
            encoding = BytePairEncoding(vocabulary, merges, special_tokens=())
        except ValueError as error:
            assert "reachable" in str(error)
            assert not reachable, merges
            continue
        assert reachable, merges
        num_accepted += 1
        for _ in range(20):
            # tiktoken has another way with words of a hundred bytes.
            length = choices.choice([*range(1, 13), 150])
            text = "".join(choices.choices("abc", k=length))
            expected = slow_encode(text, vocabulary, ranks)
            assert encoding.encode(text) == expected, (merges, text)
    assert 50 < num_accepted < 250  # Both cases were tried.


def random_merges(choices):
    """Draws up to ten rules over "abc" with distinct results."""
    tokens = ["a", "b", "c"]
    merges = []
    for _ in range(choices.randint(2, 10)):
        left, right = choices.choice(tokens), choices.choice(tokens)
        if left + right not in tokens:
            tokens.append(left + right)
            merges.append(f"{left} {right}")
    return merges
