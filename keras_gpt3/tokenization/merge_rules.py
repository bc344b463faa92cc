"""Merge rules of byte-pair encoding: reading and checking them."""

from keras_gpt3.echoed_value import echoed
from keras_gpt3.tokenization.byte_alphabet import BYTE_SYMBOLS


def read_merge_rules(merges):
    """Splits merge rules into pairs, from a list or from a file's content.

    A leading `#version: ...` line, which GPT-2's `vocab.bpe` has and some
    other writers leave out, is skipped, and so are empty lines.
    """
    lines = merges.splitlines() if isinstance(merges, str) else list(merges)
    if lines and lines[0].startswith("#version:"):
        del lines[0]
    return [_split_rule(line) for line in lines if line]


def _split_rule(line):
    """Splits "left right" at its one space."""
    parts = line.split(" ")
    if len(parts) != 2 or not all(parts):
        raise ValueError(
            "A merge rule must be two tokens with one space between. "
            f"Received: rule={echoed(line)}. Pass `merges` as in GPT-2's "
            "vocab.bpe."
        )
    return tuple(parts)


def check_merge_rules(rules, vocabulary):
    """Checks that merging by result is the same as merging by rule.

    tiktoken joins two neighbours when their concatenation has a rank, GPT-2
    when their pair is a rule. The two agree on every text if each rule has a
    result of its own, uses only earlier results, and can ever be applied to
    its result, as holds for all rules that come out of training.
    """
    ranks = dict.fromkeys(BYTE_SYMBOLS, -1)
    pair_ranks = {}
    for rank, (left, right) in enumerate(rules):
        problem = _find_problem(rules, left, right, vocabulary, ranks)
        pair_ranks[left, right] = rank
        if not problem and _is_split_by_an_earlier_rule(
            rules, rank, ranks, pair_ranks
        ):
            problem = "be reachable: no earlier rule may break up its parts"
        if problem:
            rule = echoed(f"{left} {right}")
            raise ValueError(
                f"A merge rule must {problem}. Received: "
                f"rule={rule} (number {rank}). "
                "Pass a vocabulary and merges that were trained together."
            )
        ranks[left + right] = rank


def _find_problem(rules, left, right, vocabulary, ranks):
    """Names the first requirement on tokens that a rule breaks, or None."""
    if any(t not in vocabulary for t in (left, right, left + right)):
        return "have its parts and its result in the vocabulary"
    if left not in ranks or right not in ranks:
        return "join bytes or results of earlier rules"
    if left + right in ranks:
        return "have a result that no earlier rule has"
    return None


def _is_split_by_an_earlier_rule(rules, rank, ranks, pair_ranks):
    """Walks back from (left, right) to bytes, watching the seam between them.

    Undoes the merges on both sides of the seam, the latest first. A rule that
    joins the two tokens at the seam and comes before the merge just undone
    would have been applied in its place.
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
