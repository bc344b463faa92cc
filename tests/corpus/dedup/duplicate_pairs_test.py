import json

import numpy as np
import pytest

from keras_gpt3.corpus.dedup import duplicate_pairs
from keras_gpt3.corpus.dedup.dedup_plan import PlannedPart
from keras_gpt3.corpus.dedup.duplicate_pairs import DuplicatePairs
from keras_gpt3.corpus.dedup.duplicate_pairs import jaccard_similarities
from keras_gpt3.corpus.dedup.signatures import Signatures
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures

# === Duplicate pairs ===


LONG = [f"word{i}" for i in range(30)]
TEXTS = {
    "a": " ".join(LONG),
    "a again": " ".join(LONG).upper(),
    # 29 common words of 31: a similarity of 0.935.
    "near a": " ".join(["other", *LONG[1:]]),
    "b": " ".join(f"strange{i}" for i in range(30)),
    "nothing": "",
    "nothing again": " ",
}


def find(folder, num_parts, num_blocks, namespaces=("web",)):
    """A dict of pairs of ids to their similarity and whether they are equal."""
    documents = [Document(k, "web", v) for k, v in TEXTS.items()]
    parts = []
    for number in range(num_parts):
        path = folder / f"{number}.npz"
        Signatures.of_documents(documents[number::num_parts]).save(path)
        parts.append(PlannedPart(str(path), "web", namespaces))
    pairs = DuplicatePairs(tuple(parts), str(folder / "pairs"), num_blocks)
    found = {}
    for path in pairs.find(beam_options(workers=1)):
        with np.load(path) as arrays:
            assert (arrays["nodes"] == arrays["pairs"]["nodes"]).all()
            ids = json.loads(arrays["ids"].tobytes())
            for key, similarity, is_exact in zip(
                map(frozenset, ids),
                arrays["similarities"].tolist(),
                arrays["pairs"]["is_exact"].tolist(),
                strict=True,
            ):
                assert key not in found
                found[key] = round(similarity, 3), is_exact
    return found


@pytest.mark.parametrize(("num_parts", "num_blocks"), [(1, 1), (3, 5)])
def test_equal_and_similar_texts_are_found(tmp_path, num_parts, num_blocks):
    found = find(tmp_path, num_parts, num_blocks)
    assert found.pop(frozenset(["a", "a again"])) == (1.0, True)
    assert found.pop(frozenset(["nothing", "nothing again"])) == (1.0, True)
    # One of the equal texts alone is compared further.
    ((key, value),) = found.items()
    assert "near a" in key and value == (0.935, False)


def test_documents_that_nobody_may_lose_are_not_paired(tmp_path):
    assert find(tmp_path, 2, 1, namespaces=("crawl",)) == {}


# === Jaccard ===


WORDS = ["a b c", "b c d", "a a A b c", "x y", "", "a"]
SETS = [set(text.lower().split()) for text in WORDS]


def test_similarities_are_those_of_python_s_sets(monkeypatch):
    # Three pairs at a time: the last chunk is not full.
    monkeypatch.setattr(duplicate_pairs, "_PAIRS", 3)
    sets = HashedFeatures().transform(WORDS)
    rows, others = np.indices((6, 5)).reshape(2, -1)
    received = jaccard_similarities(sets, sets[:5], rows, others)
    expected = [
        len(SETS[i] & SETS[j]) / max(len(SETS[i] | SETS[j]), 1)
        for i, j in zip(rows, others, strict=True)
    ]
    np.testing.assert_allclose(received, expected)
    # Counts are not sets, and stay what they were.
    assert sets.max() == 3


def test_no_pairs_have_no_similarities():
    sets = HashedFeatures().transform(WORDS)
    assert jaccard_similarities(sets, sets, [], []).shape == (0,)
