"""Vocabularies of byte-pair encoding: reading and checking them."""

import json
from itertools import pairwise

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed


def read_vocabulary(vocabulary):
    """Read a vocabulary from a dict or from a JSON file's content."""
    if not isinstance(vocabulary, dict):
        vocabulary = _parse(vocabulary)
    if len(set(vocabulary.values())) < len(vocabulary) or not all(
        type(id) is int and id >= 0 for id in vocabulary.values()
    ):
        raise ValueError(
            "A vocabulary's ids must be distinct integers of at least 0. "
            f"Received: {_bad_entry(vocabulary)}. Renumber the tokens."
        )
    return dict(vocabulary)


def _parse(text):
    """Parse a JSON object."""
    try:
        parsed = json.loads(text)
    except (TypeError, json.JSONDecodeError):
        parsed = None
    if not isinstance(parsed, dict):
        raise ValueError(
            "A vocabulary must be a dict or a file with one JSON object, token "
            f"to id. Received: {text!r:.50}. Pass the path of an encoder.json."
        )
    return parsed


def _bad_entry(vocabulary):
    """Describe the first id that is not a natural number or comes again."""
    seen = {}
    for token, id in vocabulary.items():
        if type(id) is not int or id < 0:
            return f"{token!r}: {id!r}"
        if id in seen:
            return f"id={id} of both {seen[id]!r} and {token!r}"
        seen[id] = token


def check_vocabulary(vocabulary, special_tokens):
    """Check that a vocabulary holds the special tokens.

    It may lack bytes, as those of byte-level trainers without an alphabet to
    start from do: see `MISSING_BYTE`.
    """
    if not vocabulary:
        raise ValueError(
            "A vocabulary must hold tokens. Received: 0 of them. Pass a dict "
            "from token to id."
        )
    for token in special_tokens:
        if token not in vocabulary:
            raise ValueError(
                "Special tokens must be in the vocabulary. Received: "
                f"special_tokens={echoed(tuple(special_tokens))}, "
                f"{echoed(token)} is missing. Add it to vocabulary."
            )


def spell_tokens(vocabulary, special_tokens):
    """Map each id to the bytes that it decodes to."""
    try:
        spelled = {
            id: token.encode()
            if token in special_tokens
            else symbols_to_bytes(token)
            for token, id in vocabulary.items()
        }
    except KeyError as error:
        raise ValueError(
            "Tokens must be spelled in GPT-2's byte alphabet (a space is "
            f"'Ġ'). Received: a token with {echoed(error.args[0])}. Respell "
            "it, or list it in special_tokens."
        ) from None
    return spelled


def read_merge_rules(merges):
    """Split merge rules into pairs, from a list or from a file's content.

    A leading `#version: ...` line, which GPT-2's `vocab.bpe` has and some
    other writers leave out, is skipped, and so are empty lines.
    """
    lines = merges.splitlines() if isinstance(merges, str) else list(merges)
    if lines and lines[0].startswith("#version:"):
        del lines[0]
    return [_split_rule(line) for line in lines if line]


def first_merges(vocabulary, rules, special_tokens, num_merges):
    """Cut a vocabulary down to its bytes, its first merges and what is special.

    Training adds one merge after the other, so that the first of them are what
    a smaller vocabulary would have been. Ids stand in GPT-2's order: bytes as
    they were, merges by rank, special tokens.
    """
    check_integer("num_merges", num_merges, minimum=0)
    if num_merges > len(rules):
        raise ValueError(
            "num_merges must be at most the number of merges that there are. "
            f"Received: num_merges={num_merges}, of {len(rules)}. Use at most "
            f"{len(rules)}."
        )
    bytes_ = sorted({*vocabulary} & {*BYTE_SYMBOLS}, key=vocabulary.get)
    rules = rules[:num_merges]
    merged = (rule.replace(" ", "") for rule in rules)
    tokens = dict.fromkeys([*bytes_, *merged, *special_tokens])
    return {token: id for id, token in enumerate(tokens)}, rules


def _split_rule(line):
    """Split "left right" at its one space."""
    parts = line.split(" ")
    if len(parts) != 2 or not all(parts):
        raise ValueError(
            "A merge rule must be two tokens with one space between. "
            f"Received: rule={echoed(line)}. Pass merges as in GPT-2's "
            "vocab.bpe."
        )
    return tuple(parts)


def check_merge_rules(rules, vocabulary):
    """Check that merging by result is the same as merging by rule.

    tiktoken joins two neighbours when their concatenation has a rank, GPT-2
    when their pair is a rule. The two agree on every text if each rule has a
    result of its own, and the bytes of that result merge into it, by this rule
    last: neighbours that make it up have come about within its bytes alone, so
    they are the two of the rule. All rules that come out of training are such,
    and others are in whatever order they stand.
    """
    pair_ranks = {rule: rank for rank, rule in enumerate(rules)}
    ranks = dict.fromkeys(BYTE_SYMBOLS, -1)
    for rank, (left, right) in enumerate(rules):
        if any(t not in vocabulary for t in (left, right, left + right)):
            problem = "have its parts and its result in the vocabulary"
            raise _refused(rules, rank, problem)
        if left + right in ranks:
            problem = "have a result that no earlier rule has"
            raise _refused(rules, rank, problem)
        ranks[left + right] = rank
    in_order = are_in_order(rules)
    for rank, (left, right) in enumerate(rules):
        if left not in ranks or right not in ranks:
            problem = "join bytes or results of rules"
            raise _refused(rules, rank, problem)
        if (
            _is_split_by_an_earlier_rule(rules, rank, ranks, pair_ranks)
            if in_order
            else not _makes_its_result(left + right, pair_ranks)
        ):
            problem = "be reachable: no earlier rule may break up its parts"
            raise _refused(rules, rank, problem)


def _refused(rules, rank, problem):
    rule = echoed(" ".join(rules[rank]))
    return ValueError(
        f"A merge rule must {problem}. Received: rule={rule} (number {rank}). "
        "Pass a vocabulary and merges that were trained together."
    )


def are_in_order(rules):
    """Whether rules join bytes and results of earlier rules alone.

    So they come out of training. Then what a merge brings about are pairs of
    later rules, and merges of one rule can be made at once.
    """
    made = set(BYTE_SYMBOLS)
    for left, right in rules:
        if left not in made or right not in made:
            return False
        made.add(left + right)
    return True


def _makes_its_result(token, pair_ranks):
    """Whether the bytes of a token merge into it: the slow and plain way."""
    symbols, none = [*token], len(pair_ranks)
    while len(symbols) > 1:
        ranks = [pair_ranks.get(pair, none) for pair in pairwise(symbols)]
        earliest = min(ranks)
        if earliest == none:
            return False
        place = ranks.index(earliest)
        symbols[place : place + 2] = ["".join(symbols[place : place + 2])]
    return True


def _is_split_by_an_earlier_rule(rules, rank, ranks, pair_ranks):
    """Walk back from (left, right) to bytes, watching the seam between them.

    For rules in order, in a third of the time of merging the bytes. Undoes the
    merges on both sides of the seam, the latest first. A rule that joins the
    two tokens at the seam and comes before the merge just undone would have
    been applied in its place.
    """
    left, right = rules[rank]
    limit = rank
    while pair_ranks.get((left, right), limit) >= limit:
        left_rank, right_rank = ranks[left], ranks[right]
        if left_rank > right_rank:
            limit, left = left_rank, rules[left_rank][1]
        elif right_rank >= 0:
            # Of equal ranks, the leftmost pair merges first.
            limit, right = right_rank + 1, rules[right_rank][0]
        else:
            return False
    return True


# GPT-2's printable alphabet: one character for each of the 256 bytes.
#
# Vocabulary files spell tokens in it, so that a token which is not whole UTF-8
# character, or a space, can stand in a JSON string: " the" is spelled "Ġthe".


def _byte_symbols():
    """Printing Latin-1 stands for itself, other bytes for U+0100 and up."""
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    others = [byte for byte in range(256) if byte not in printable]
    symbols = {byte: chr(byte) for byte in printable}
    symbols |= {byte: chr(256 + i) for i, byte in enumerate(others)}
    return tuple(symbols[byte] for byte in range(256))


BYTE_SYMBOLS = _byte_symbols()
_SYMBOL_BYTES = {symbol: byte for byte, symbol in enumerate(BYTE_SYMBOLS)}


def symbols_to_bytes(token):
    """Turn a token's spelling into the bytes that it stands for."""
    return bytes([_SYMBOL_BYTES[symbol] for symbol in token])


# What is said of it everywhere, before and after the name of the byte.
MISSING_BYTE = (
    "Texts must be made of bytes that the vocabulary holds. Received: byte=",
    ", which it lacks. Add the byte to vocabulary, or take it out of the text.",
)


def byte_name(byte):
    """Write a byte: 0x71 (q)."""
    name, character = f"0x{byte:02X}", chr(byte)
    is_plain = character.isascii() and character.isalnum()
    return f"{name} ({character})" if is_plain else name
