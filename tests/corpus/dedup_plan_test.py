import json

import numpy as np
import pytest

from keras_gpt3.corpus.dedup.dedup_plan import OWN
from keras_gpt3.corpus.dedup.dedup_plan import PlannedPart
from keras_gpt3.corpus.dedup.dedup_plan import make_pairs
from keras_gpt3.corpus.dedup.signatures import DIGEST
from keras_gpt3.corpus.dedup.signatures import Signatures
from keras_gpt3.corpus.pipeline.document import Document

TEXTS = ["to be or not", "to be or not", "", "a cat"]


@pytest.fixture
def path(tmp_path):
    documents = [Document(str(i), "web", t) for i, t in enumerate(TEXTS)]
    path = str(tmp_path / "web.npz")
    Signatures.of_documents(documents).save(path)
    return path


def test_entries_are_equal_where_texts_are_and_nowhere_else(path):
    part = PlannedPart(path, "web", ("web", "crawl"))
    digests = part.digest_entries(7)
    assert len(digests) == part.num_entries() == 8
    assert len(np.unique(digests["key"])) == 6
    assert len(np.unique(digests["node"])) == 8
    assert (digests["part"] == 7).all()
    assert digests["row"].tolist() == [0, 1, 2, 3] * 2
    bands = part.band_entries(7, 5)
    # A text without words is compared with none.
    assert len(bands) == 3 * 5 * 2
    assert len(np.unique(bands["key"])) == 2 * 5 * 2
    first, second = bands[:5], bands[5:10]
    for name in ("key", "size", "further"):
        np.testing.assert_array_equal(first[name], second[name])


def test_a_document_may_go_in_its_own_data_set_only(path, tmp_path):
    digests = PlannedPart(path, "web", ("web", "crawl")).digest_entries(0)
    assert (digests["node"] >= OWN).tolist() == [True] * 4 + [False] * 4
    drops = tmp_path / "drops.json"
    drops.write_text("[]")
    digests = PlannedPart(path, "web", ("web",), str(drops)).digest_entries(0)
    assert (digests["node"] < OWN).all()


def test_what_an_index_dropped_is_not_there(path, tmp_path):
    drops = tmp_path / "drops.json"
    drops.write_text(json.dumps([{"row": 1}, {"row": 3}]))
    part = PlannedPart(path, "web", ("crawl",), str(drops))
    assert part.digest_entries(0)["row"].tolist() == [0, 2]
    assert set(part.band_entries(0, 5)["row"]) == {0}


def test_equal_texts_are_left_out_of_their_own_namespace(path):
    part = PlannedPart(path, "web", ("web", "crawl"))
    rows = part.band_entries(0, 1, equal=np.array([1]))["row"].tolist()
    assert rows == [0, 3, 0, 1, 3]


def test_pairs_begin_with_the_smaller_number_and_end_with_an_own_one():
    entries = np.zeros(3, DIGEST)
    entries["node"] = [OWN + np.uint64(1), 7, 8]
    entries["part"] = [1, 2, 3]
    entries["row"] = [4, 5, 6]
    pairs = make_pairs(entries, np.array([[0, 1], [1, 2], [2, 0]]), True)
    assert pairs["parts"].tolist() == [[2, 1], [3, 1]]
    assert pairs["rows"].tolist() == [[5, 4], [6, 4]]
    assert pairs["is_exact"].all()
    assert len(make_pairs(entries, np.zeros((0, 2), int))) == 0
