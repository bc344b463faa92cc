import numpy as np
import pytest

from keras_gpt3.corpus.dedup import signatures
from keras_gpt3.corpus.dedup.lsh_bands import FURTHER_HASHES
from keras_gpt3.corpus.dedup.min_hash import MinHash
from keras_gpt3.corpus.dedup.signatures import DIGEST
from keras_gpt3.corpus.dedup.signatures import Signatures
from keras_gpt3.corpus.dedup.signatures import SignPart
from keras_gpt3.corpus.dedup.signatures import equal_pairs
from keras_gpt3.corpus.dedup.signatures import signatures_path
from keras_gpt3.corpus.dedup.signatures import text_digest
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.document import stable_hash
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.quality.quality_classifier import HashedFeatures
from tests.corpus.part_files import write_parts

# === Signatures ===


DOCUMENTS = [
    Document("1", "web", "To be, or not to be."),
    # Half a surrogate pair: JSON can hold it.
    Document("\ud800é", "web", ""),
    Document("3" * 500, "web", "A cat."),
]


def made(documents=DOCUMENTS):
    return Signatures.of_documents(documents, num_hashes=4, num_features=64)


def assert_same(one, other):
    assert one.ids == other.ids
    for name in ("hashes", "digests", "minima"):
        assert getattr(one, name).dtype == getattr(other, name).dtype
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.sets.shape == other.sets.shape
    np.testing.assert_array_equal(one.sets.indices, other.sets.indices)
    np.testing.assert_array_equal(one.sets.indptr, other.sets.indptr)


def test_rows_hold_what_is_known_of_documents():
    signatures = made()
    sets = HashedFeatures(64).transform([d.text for d in DOCUMENTS])
    expected = MinHash(64, 4 + FURTHER_HASHES).signatures(sets)
    np.testing.assert_array_equal(signatures.minima, expected)
    assert signatures.digests[0].tolist() == list(
        text_digest("to be, or not to be.")
    )
    assert signatures.hashes[2] == stable_hash("web", "3" * 500)


def test_a_file_gives_back_what_was_saved(tmp_path):
    made().save(tmp_path / "new" / "part.npz")
    assert_same(Signatures.load(tmp_path / "new" / "part.npz"), made())


@pytest.mark.parametrize("documents", [[], DOCUMENTS])
def test_batches_join_to_the_whole(tmp_path, documents):
    batches = [made(documents[:1]), made(documents[1:]), made([])]
    joined = Signatures.joined(batches)
    assert_same(joined, made(documents))
    joined.save(tmp_path / "part.npz")
    assert_same(Signatures.load(tmp_path / "part.npz"), joined)


def test_the_same_documents_give_the_same_bytes(tmp_path):
    for name in "ab":
        made().save(tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


@pytest.mark.parametrize(
    "content", [b"", b"no archive", b"PK\x03\x04 cut", None]
)
def test_another_file_is_refused(tmp_path, content):
    path = tmp_path / "part.npz"
    if content is None:
        np.savez(path, ids=np.zeros(1))
    else:
        path.write_bytes(content)
    with pytest.raises(
        ValueError, match="one that dedup wrote. Received: file"
    ):
        Signatures.load(path)


def test_documents_are_counted_without_reading_them(tmp_path):
    made().save(tmp_path / "part.npz")
    assert Signatures.num_documents(tmp_path / "part.npz") == 3
    with pytest.raises(FileNotFoundError, match="signatures of a part must"):
        Signatures.num_documents(tmp_path / "absent.npz")


# === Exact duplicates ===


@pytest.mark.parametrize(
    ("text", "other", "is_equal"),
    [
        ("To be,\r\nor not ", "to be,\u00a0OR not", True),
        ("\u00e9t\u00e9", "e\u0301te\u0301", True),
        ("Stra\u00dfe", "STRASSE", True),
        ("", " \n", True),
        ("to be", "to be.", False),
        ("to be", "tobe", False),
        ("\ud800", "\ud801", False),
    ],
)
def test_case_space_and_composition_do_not_count(text, other, is_equal):
    assert (text_digest(text) == text_digest(other)) == is_equal
    assert all(0 <= half < 2**64 for half in text_digest(text))


def test_the_first_of_equal_documents_is_paired_with_the_others():
    entries = np.zeros(7, DIGEST)
    entries["key"] = [5, 6, 5, 5, 6, 5, 9]
    # The key alone is no proof.
    entries["check"] = [1, 1, 1, 2, 1, 1, 1]
    entries["node"] = [30, 8, 10, 1, 7, 20, 2]
    pairs = equal_pairs(entries).tolist()
    assert sorted(pairs) == [[2, 0], [2, 5], [4, 1]]


def test_no_documents_have_no_pairs():
    assert equal_pairs(np.zeros(0, DIGEST)).shape == (0, 2)


# === Sign part ===


@pytest.mark.parametrize("batch", [(99, 1), (99, 30), (3, 99), (10**6, 10**6)])
def test_batches_of_any_size_give_the_same(tmp_path, monkeypatch, batch):
    texts = {str(i): f"word {i} " * (i % 5) for i in range(20)}
    (item,) = write_parts(tmp_path / "in", texts)
    monkeypatch.setattr(signatures, "_BATCH", batch)
    part = StagePart("web", "part-00000", str(tmp_path), item.path, "1f")
    assert SignPart(4, 64)(part) == {"documents": 20}
    stored = Signatures.load(signatures_path(part))
    assert stored.ids == list(texts)
    assert len(set(map(tuple, stored.digests.tolist()))) == 17
    assert stored.sets.shape == (20, 64)


def test_a_part_without_documents_has_signatures(tmp_path):
    (item,) = write_parts(tmp_path / "in", {})
    part = StagePart("web", "part-00000", str(tmp_path), item.path, "1f")
    assert SignPart()(part) == {"documents": 0}
    assert Signatures.load(signatures_path(part)).ids == []
