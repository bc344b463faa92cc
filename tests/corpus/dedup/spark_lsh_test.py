"""Where dedup differs from Spark's MinHashLSH, as docs/guides/corpus.md says.

Spark's hashes and its rule are written here once more, of the formulas in its
documentation: a document's hash is the least of `((1 + i) a + b) mod p` over
its features, and documents are candidates if any of their hashes is equal.
"""

import pathlib
import re

import numpy as np
import pytest
import scipy.sparse

from keras_gpt3.corpus.dedup.lsh_bands import band_keys
from keras_gpt3.corpus.dedup.min_hash import MinHash
from tests.fixtures.corpus.detection_probability import detection_probability

PAGE = pathlib.Path(__file__).parents[3] / "docs/guides/corpus.md"
PRIME, NUM_HASHES, NUM_PAIRS = 2038074743, 10, 2000
UNION = 40


def pairs_of_sets(similarity, generator):
    """Two lists of sets of which each two share so much of their union."""
    common = round(similarity * UNION)
    ones, others = [], []
    for _ in range(NUM_PAIRS):
        drawn = generator.choice(2**18, size=UNION, replace=False)
        half = (UNION - common) // 2
        ones.append(drawn[: common + half])
        others.append(np.concatenate([drawn[:common], drawn[common + half :]]))
    return ones, others


def spark_hashes(sets, generator):
    a = generator.integers(1, PRIME, size=NUM_HASHES)
    b = generator.integers(0, PRIME - 1, size=NUM_HASHES)
    return np.array(
        [((1 + s[:, None]) * a + b).__mod__(PRIME).min(axis=0) for s in sets]
    )


def our_keys(sets, num_bands):
    starts = np.cumsum([0, *map(len, sets)])
    features = np.concatenate(sets)
    rows = scipy.sparse.csr_array(
        (np.ones(len(features)), features, starts), shape=(len(sets), 2**18)
    )
    return band_keys(MinHash().signatures(rows), num_bands)


def rate(ones, others):
    return (ones == others).any(axis=1).mean()


@pytest.mark.parametrize("similarity", [0.2, 0.5])
def test_ten_bands_find_what_spark_s_ten_tables_find(similarity):
    generator = np.random.default_rng(0)
    ones, others = pairs_of_sets(similarity, generator)
    hashes = spark_hashes([*ones, *others], generator)
    spark = rate(hashes[:NUM_PAIRS], hashes[NUM_PAIRS:])
    keys = our_keys([*ones, *others], num_bands=10)
    expected = 1 - (1 - similarity) ** 10
    # Four standard errors of 2,000 pairs, at the least sure of these rates;
    # Spark's ten hashes are drawn once for all pairs.
    assert spark == pytest.approx(expected, abs=0.03)
    assert rate(keys[:NUM_PAIRS], keys[NUM_PAIRS:]) == pytest.approx(
        expected, abs=0.03
    )


def test_the_guide_s_table_is_computed():
    rows = re.findall(
        r"^\| (0\.\d) \| ([\d.]+)% \| ([\d.]+)% \|$",
        PAGE.read_text("utf-8"),
        re.MULTILINE,
    )
    assert len(rows) == 5
    for similarity, spark, ours in rows:
        s = float(similarity)
        assert float(spark) == round(100 * (1 - (1 - s) ** 10), 2)
        assert float(ours) == round(100 * (1 - (1 - s**2) ** 5), 2)
        assert detection_probability(s, 10, 1) == pytest.approx(
            1 - (1 - s) ** 10
        )
