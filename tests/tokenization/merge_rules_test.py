import random

import pytest

from keras_gpt3.tokenization import BytePairEncoding
from keras_gpt3.tokenization.vocabulary import BYTE_SYMBOLS
from keras_gpt3.tokenization.vocabulary import check_merge_rules
from keras_gpt3.tokenization.vocabulary import read_merge_rules
from tests.tokenization.slow_byte_pair_encoding import merge_ranks
from tests.tokenization.slow_byte_pair_encoding import slow_encode

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
        (["he r", "h e"], "join bytes or results of earlier rules. Received: "),
        (
            ["h e", "e r", "h er"],
            "be reachable: no earlier rule may break up its parts. Received: "
            "rule='h er' (number 2).",
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


def test_accepts_exactly_the_rules_whose_result_encodes_to_itself():
    choices = random.Random(0)
    num_accepted = 0
    for _ in range(300):
        merges = random_merges(choices)
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
            text = "".join(choices.choices("abc", k=choices.randint(1, 12)))
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
