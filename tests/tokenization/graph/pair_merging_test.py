import itertools
import math
import random

import pytest
import tensorflow as tf

from keras_gpt3.tokenization.graph.pair_merging import merge_pairs


def slow_merge(symbols, rules):
    """Joins one pair at a time: the leftmost of the earliest rule."""
    symbols = list(symbols)
    while pairs := [p for p in itertools.pairwise(symbols) if p in rules]:
        best = min(pairs, key=rules.get)
        at = list(itertools.pairwise(symbols)).index(best)
        symbols[at : at + 2] = [rules[best]]
    return symbols


def random_rules(count, seed, alphabet="ab", longest=math.inf):
    """Rules that each join bytes or results of earlier rules."""
    choices = random.Random(seed)
    symbols, rules = [*alphabet.encode()], {}
    while len(rules) < count:
        last = symbols if longest < math.inf else symbols[-4:]
        pair = choices.choice(symbols), choices.choice(last)
        pair = pair if choices.random() < 0.5 else pair[::-1]
        length = sum(length_of(symbol, rules) for symbol in pair)
        if pair not in rules and length <= longest:
            rules[pair] = 256 + len(rules)
            symbols.append(rules[pair])
    return rules


def length_of(symbol, rules):
    """The bytes of a symbol."""
    for pair, result in rules.items():
        if result == symbol:
            return sum(length_of(part, rules) for part in pair)
    return 1


def merge(words, rules, in_order=True):
    """What `merge_pairs` gives, as lists."""
    num_symbols = 256 + len(rules)
    keys = [left * num_symbols + right for left, right in rules]
    table = tf.lookup.StaticHashTable(
        tf.lookup.KeyValueTensorInitializer(
            tf.constant(keys, tf.int64),
            tf.constant([*rules.values()], tf.int64),
        ),
        default_value=num_symbols,
    )
    words = tf.RaggedTensor.from_row_lengths(
        tf.constant([*b"".join(words)], tf.int32), [*map(len, words)]
    )
    longest = max(length_of(result, rules) for result in rules.values())
    longest = longest if in_order else None
    graph = tf.function(
        lambda words: merge_pairs(words, table, num_symbols, longest)
    )
    merged = graph(words)
    assert merged.dtype == tf.int64
    return merged.to_list()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.quick_cases(3)
def test_equals_joining_one_pair_after_the_other(seed):
    rules = random_rules(12, seed)
    words = [
        bytes(some)
        for length in range(1, 9)
        for some in itertools.product(b"ab", repeat=length)
    ]
    assert merge(words, rules) == [slow_merge(word, rules) for word in words]


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.quick_cases(3)
def test_rules_in_any_order_are_taken_one_place_at_a_time(seed):
    rules = in_any_order(random_rules(12, seed), seed)
    choices = random.Random(seed)
    words = [
        bytes(choices.choices(b"ab", k=choices.choice([1, 2, 5, 9, 70])))
        for _ in range(100)
    ]
    merged = merge(words, rules, in_order=False)
    assert merged == [slow_merge(word, rules) for word in words]


def in_any_order(rules, seed):
    """The same rules under other numbers, which stand for their places."""
    numbers = [*rules.values()]
    random.Random(seed).shuffle(numbers)
    new = dict(zip(rules.values(), numbers, strict=True))
    return {
        tuple(new.get(part, part) for part in pair): new[result]
        for pair, result in rules.items()
    }


def test_long_words_among_short_ones():
    rules = random_rules(40, seed=0, alphabet="abc")
    choices = random.Random(1)
    words = [
        bytes(choices.choices(b"abcd", k=length))
        for length in (1, 400, 2, 300, 1, 3)
    ]
    assert merge(words, rules) == [slow_merge(word, rules) for word in words]


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.quick_cases(3)
def test_a_word_of_many_stretches_is_merged_as_one(seed):
    rules = random_rules(14, seed, "abc", longest=seed % 4 + 3)
    choices = random.Random(seed)
    words = [
        # Runs, whose pairs depend on where they begin, and all else.
        b"".join(choices.choices(parts, k=150))
        for parts in ([b"a", b"b", b"c"], [b"aa", b"a", b"b"], [b"ab", b"abab"])
        for _ in range(8)
    ]
    assert merge(words, rules) == [slow_merge(word, rules) for word in words]


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5, 6, 7, 64, 65, 127])
@pytest.mark.quick_cases(3)
def test_a_run_of_one_byte_joins_from_the_left(length):
    rules = {(97, 97): 256, (256, 256): 257, (257, 97): 258}
    words = [b"a" * length, b"ba" + b"a" * length + b"b"]
    assert merge(words, rules) == [slow_merge(word, rules) for word in words]


def test_a_new_pair_may_come_before_an_old_one():
    b, c, d = b"bcd"
    rules = {(97, b): 256, (256, c): 257, (c, d): 258}
    assert merge([b"abcd", b"cd"], rules) == [[257, d], [258]]


def test_pairs_do_not_reach_across_words():
    assert merge([b"a", b"b", b"ab"], {(97, 98): 256}) == [[97], [98], [256]]


def test_no_words_give_no_symbols():
    assert merge([], {(97, 98): 256}) == []


def test_all_bytes_come_through_without_a_rule():
    words = [bytes([byte]) for byte in range(256)]
    assert merge(words, {(97, 300): 256}) == [[byte] for byte in range(256)]
