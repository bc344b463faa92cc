"""Tests of sampling by weight, against quotas and orders counted out."""

import dataclasses
import fractions
import itertools
import math
import re

import numpy as np
import pytest
import tensorflow as tf

from keras_gpt3.data import Mixture
from keras_gpt3.data.context_order import context_order
from keras_gpt3.data.mixture import MixtureQuotas
from keras_gpt3.data.mixture import _seed
from keras_gpt3.data.shard_manifest import ShardManifest

# === Mixture ===


TABLE_2_2 = {"crawl": 60, "webtext": 22, "books1": 8, "books2": 8, "wiki": 3}
EXACT = [
    TABLE_2_2,
    {"a": 1 / 3, "b": 1 / 3, "c": 1 / 3},
    {"a": 0.7, "b": 0.25, "c": 0.05},
    {"a": 5},
    {"a": 65535, "b": 1},
]
ROUNDED = [
    {"a": math.pi, "b": math.e, "c": 1},
    {"a": 1, "b": 1e-6},
    {"a": 1e-6, "b": 1, "c": 2e-6, "d": 1e-6},
    {"a": 0.123456789, "b": 0.00987654321, "c": 41},
    {"a": 65536, "b": 1},
]
SIZES = (205, 100, 51, 77, 120)


@pytest.fixture
def make_mixture(make_shards):
    """Return a function from weights to a mixture of sets of other sizes."""

    def make(weights, sizes=SIZES):
        named = zip(weights, sizes, strict=False)
        return Mixture({n: make_shards(size) for n, size in named}, weights)

    return make


def shares_of(weights):
    exact = {n: fractions.Fraction(str(w)) for n, w in weights.items()}
    return {n: w / sum(exact.values()) for n, w in exact.items()}


def counts_after(mixture, blocks):
    return mixture.counts(blocks * mixture.block_size)


# === Quotas ===


@pytest.mark.parametrize("weights", EXACT)
def test_each_block_holds_exactly_the_shares_of_simple_weights(
    make_mixture, weights
):
    mixture = make_mixture(weights)
    assert 1024 <= mixture.block_size < 1024 + 2**16
    for blocks in (1, 2, 1000, 2**31):
        samples = blocks * mixture.block_size
        assert counts_after(mixture, blocks) == {
            name: share * samples for name, share in shares_of(weights).items()
        }


@pytest.mark.parametrize("weights", ROUNDED)
def test_other_weights_are_met_to_the_sample_after_every_block(
    make_mixture, weights
):
    mixture = make_mixture(weights)
    ends = itertools.accumulate(shares_of(weights).values(), initial=0)
    # Where one set ends and the next begins is a multiple of 2**-32.
    ends = [fractions.Fraction(round(end * 2**32), 2**32) for end in ends]
    last = 2**50 // mixture.block_size
    for first in (0, last):
        before = counts_after(mixture, first)
        for blocks in range(first + 1, first + 1500):
            samples = blocks * mixture.block_size
            counts = counts_after(mixture, blocks)
            assert sum(counts.values()) == samples
            for name, (start, end) in zip(
                weights, itertools.pairwise(ends), strict=True
            ):
                assert abs(counts[name] - (end - start) * samples) < 1
                assert counts[name] > before[name]
            before = counts


def test_samples_after_the_last_whole_block_are_not_counted(make_mixture):
    mixture = make_mixture(TABLE_2_2)
    size = mixture.block_size
    assert mixture.counts(size - 1) == dict.fromkeys(TABLE_2_2, 0)
    assert mixture.counts(2 * size + 5) == mixture.counts(2 * size)


def test_epochs_are_those_of_table_2_2(make_mixture):
    """Its sets in billions of tokens, with a context a token.

    The paper prints 0.44, 2.9, 1.9, 0.43 and 3.4, which its own sizes and
    weights do not give for WebText2 (3.4) and Wikipedia (3.0).
    """
    sizes = {"crawl": 410, "webtext": 19, "books1": 12, "books2": 55, "wiki": 3}
    mixture = make_mixture(TABLE_2_2, [size + 1 for size in sizes.values()])
    epochs = mixture.epochs(300, sequence_length=1)
    for name, weight in TABLE_2_2.items():
        expected = 300 * weight / 101 / sizes[name]
        assert epochs[name] == pytest.approx(expected, rel=1e-12)


# === Order ===


def contexts_one_by_one(mixture, names_and_sizes, samples, seed):
    """The order, by dealing out the slots of a block in a loop."""
    for sample in samples:
        block = sample // mixture.block_size
        slot = one_of_order(sample, mixture.block_size, _seed(seed))
        before = counts_after(mixture, block)
        after = counts_after(mixture, block + 1)
        first_context = 0
        for name, size in names_and_sizes:
            if slot < after[name] - before[name]:
                rank = before[name] + slot
                seed_of_set = _seed(seed, name)
                yield first_context + one_of_order(rank, size, seed_of_set)
                break
            slot -= after[name] - before[name]
            first_context += size


def one_of_order(sample, num_contexts, seed):
    samples = tf.constant([sample], tf.int64)
    return int(context_order(samples, num_contexts, seed)[0])


@pytest.mark.parametrize("weights", [*EXACT, ROUNDED[0], ROUNDED[-1]])
@pytest.mark.parametrize("seed", [0, 2**70])
def test_the_order_is_that_of_dealing_out_one_by_one(
    make_mixture, weights, seed
):
    mixture = make_mixture(weights, SIZES)
    samples = [0, 1, 2, 1000, *range(1024, 1034), 2**33, 10**15]
    ids = mixture.order(tf.constant(samples, tf.int64), 10, seed)
    assert ids.dtype == tf.int64
    sizes = zip(weights, [(size - 1) // 10 for size in SIZES], strict=False)
    expected = contexts_one_by_one(mixture, list(sizes), samples, seed)
    assert ids.numpy().tolist() == list(expected)


@pytest.mark.parametrize("weights", [EXACT[0], ROUNDED[0]])
def test_blocks_mix_the_sets_and_each_set_is_seen_evenly(make_mixture, weights):
    mixture = make_mixture(weights, SIZES)
    sizes = [(size - 1) // 10 for size in SIZES[: len(weights)]]
    bounds = np.cumsum([0, *sizes])
    num_blocks = 3
    samples = tf.range(num_blocks * mixture.block_size, dtype=tf.int64)
    ids = mixture.order(samples, 10, 0).numpy()
    sets = np.searchsorted(bounds, ids, side="right") - 1
    for block, sets_of_block in enumerate(np.split(sets, num_blocks)):
        before = counts_after(mixture, block).values()
        after = counts_after(mixture, block + 1).values()
        counts = np.bincount(sets_of_block)
        assert counts.tolist() == np.subtract([*after], [*before]).tolist()
        # The sets do not come one after the other.
        assert np.count_nonzero(np.diff(sets_of_block)) > 200
    for number, (start, end) in enumerate(itertools.pairwise(bounds)):
        # Without replacement: no context is ahead of another by two.
        seen = np.bincount(ids[sets == number] - start, minlength=end - start)
        assert seen.max() - seen.min() <= 1


def test_seeds_and_sets_have_orders_of_their_own(make_shards):
    """Two names for one set of shards, in every other respect alike."""
    shards = make_shards(2050)
    mixture = Mixture({"a": shards, "b": shards}, {"a": 1, "b": 1})
    orders, patterns = set(), set()
    for seed in range(3):
        ids = mixture.order(tf.range(1024, dtype=tf.int64), 10, seed).numpy()
        patterns.add(tuple(ids < 204))
        orders.add(tuple(ids[ids < 204][:20]))
        orders.add(tuple(ids[ids >= 204][:20] - 204))
    assert (len(patterns), len(orders)) == (3, 6)


# === Reading ===


def test_contexts_of_all_sets_are_numbered_in_a_row(make_shards):
    sets = {"novels": make_shards(205), "letters": make_shards(100)}
    mixture = Mixture(sets, {"letters": 1, "novels": 2})
    assert mixture.num_contexts(10) == 20 + 9
    assert mixture.num_tokens == 305
    assert (mixture.vocabulary_size, mixture.end_token_id) == (300, 299)
    ids = np.array([28, 3, 20, 19, 3])
    tokens = mixture.read_contexts(ids, 10)
    assert tokens.dtype == np.int32
    names = ["letters:8", "novels:3", "letters:0", "novels:19", "novels:3"]
    assert [mixture.describe_context(n, 10) for n in ids] == names
    for row, name in zip(tokens, names, strict=True):
        name, _, number = name.partition(":")
        expected = sets[name].read([int(number) * 10], 11)
        np.testing.assert_array_equal(row, expected[0])


@pytest.mark.parametrize("context", [-1, 29])
def test_a_context_that_is_not_there_is_an_error(make_shards, context):
    mixture = Mixture(
        {"a": make_shards(205), "b": make_shards(100)}, {"a": 1, "b": 1}
    )
    message = (
        "A context must be from 0 to num_contexts - 1. Received: contexts="
        f"[{context}], num_contexts=29. Pass those that order gave for this "
        "sequence_length."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        mixture.describe_context(context, 10)
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        mixture.read_contexts([context], 10)


# === Arguments ===


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            {"a": 1},
            "shards and weights must name the same sets. Received: ['b'] only "
            "in shards, [] only in weights. Give each set one weight.",
        ),
        ({"a": 1, "b": 1, "c": 1}, "[] only in shards, ['c'] only in weights."),
        (
            {"a": 0, "b": 1},
            "weights must be positive. Received: weights={'a': 0, 'b': 1}. "
            "Leave a set out instead of giving it 0.",
        ),
        ({"a": 0, "b": 0}, "Leave a set out instead of giving it 0."),
        ({"a": 2, "b": -1}, "be positive. Received: weights={'a': 2"),
        ({"a": 2, "b": math.nan}, "weights must be finite numbers. Received: "),
        ({"a": math.inf, "b": 1}, "weights={'a': inf, 'b': 1}. Pass"),
        ({"a": "60%", "b": 1}, "weights must be finite numbers. Received: "),
        ({"a": True, "b": 1}, "weights must be finite numbers. Received: "),
        ({"a": 1, "b": 1e-7}, "must be at least 2**-21 of their sum"),
        ({"a": 1, "b": 1e-30}, "weights={'a': 1, 'b': 1e-30}. Leave out the"),
    ],
)
def test_weights_that_cannot_be_met_are_an_error(make_shards, weights, message):
    sets = {"a": make_shards(205), "b": make_shards(100)}
    with pytest.raises(ValueError, match=re.escape(message)):
        Mixture(sets, weights)


def test_a_mixture_of_no_sets_is_an_error():
    message = (
        "A mixture must have at least one set. Received: shards={}. Pass a "
        "dict of names to token shards."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Mixture({}, {})


@pytest.mark.parametrize(
    ("field", "manifest"),
    [
        ("vocabulary_size", ShardManifest("uint16", 299, 400, ())),
        ("dtype", ShardManifest("uint32", 299, 300, ())),
        ("end_token_id", ShardManifest("uint16", 0, 300, ())),
    ],
)
def test_sets_of_another_tokenizer_are_an_error(make_shards, field, manifest):
    one, two = make_shards(205), make_shards(100)
    shards = ShardManifest.read(two.folder).shards
    for record in shards:
        tokens = np.zeros(record.num_tokens, manifest.dtype)
        tokens.tofile(two.folder / record.file_name)
    dataclasses.replace(manifest, shards=shards).write(two.folder)
    message = (
        f"All sets of a mixture must have the same {field}. Received: {field}="
        f"{{'a': {getattr(one, field)!r}, 'b': {getattr(manifest, field)!r}}}. "
        "Write their shards with one tokenizer."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        Mixture({"a": one, "b": two.folder}, {"a": 1, "b": 1})


def test_a_set_shorter_than_a_context_is_named(make_mixture):
    mixture = make_mixture(EXACT[1])
    with pytest.raises(ValueError, match="Add .* the mixture's set 'c'.$"):
        mixture.num_contexts(60)


def test_a_folder_will_do_for_a_set_and_a_bad_one_is_named(
    make_shards, tmp_path
):
    shards = make_shards(205)
    mixture = Mixture({"a": str(shards.folder)}, {"a": 1})
    assert mixture.num_contexts(10) == shards.num_contexts(10)
    with pytest.raises(FileNotFoundError, match="the mixture's set 'b'.$"):
        Mixture({"a": shards, "b": tmp_path / "none"}, {"a": 1, "b": 1})


# === Mixture quotas ===


WEIGHTS = (
    {"a": 60, "b": 22, "c": 8, "d": 8, "e": 3},
    {"a": 1 / 3, "b": 2 / 3},
    {"a": 1.0, "b": 1e-6, "c": 0.1234567891234},
)


@pytest.mark.parametrize("weights", WEIGHTS)
def test_after_every_block_each_set_is_within_one_of_its_quota(weights):
    quotas = MixtureQuotas(weights)
    assert quotas.block_size >= 1024
    ends = quotas.ends(np.arange(200)[:, None])
    counts = np.diff(ends, axis=-1)
    total = sum(map(fractions.Fraction, map(str, weights.values())))
    for index, weight in enumerate(weights.values()):
        share = fractions.Fraction(str(weight)) / total
        for block, count in enumerate(counts[:, index]):
            quota = block * quotas.block_size * share
            # Of ugly weights shares are rounded to 32 bits.
            assert abs(count - quota) <= 1 + block * quotas.block_size / 2**32
    assert (ends[:, -1] == np.arange(200) * quotas.block_size).all()


@pytest.mark.parametrize("weights", WEIGHTS[:2])
def test_slots_are_dealt_out_to_the_sets_one_after_the_other(weights):
    quotas = MixtureQuotas(weights)
    seen = {index: 0 for index in range(len(weights))}
    for block in range(3):
        slots = np.arange(quotas.block_size)
        sets, positions = quotas.locate(np.full_like(slots, block), slots)
        expected = np.diff(
            quotas.ends(np.array([[block], [block + 1]])), axis=0
        )
        counts = np.diff(expected[0])
        np.testing.assert_array_equal(
            sets, np.repeat(range(len(weights)), counts)
        )
        for index, count in enumerate(counts):
            received = positions[sets == index].numpy()
            first = seen[index]
            assert received.tolist() == list(range(first, first + count))
            seen[index] += count


def test_a_set_that_hardly_any_run_would_read_raises():
    weights = {"a": 1.0, "b": 1e-7}
    message = (
        "Each weight must be at least 2**-21 of their sum. Received: "
        f"weights={weights}. Leave out the smallest set, which hardly any run "
        "would read."
    )
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        MixtureQuotas(weights)
