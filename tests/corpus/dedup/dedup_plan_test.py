import json

import numpy as np
import pytest

from keras_gpt3.corpus.corpus_config import DedupSection
from keras_gpt3.corpus.dedup import dedup_plan as module
from keras_gpt3.corpus.dedup.dedup_plan import OWN
from keras_gpt3.corpus.dedup.dedup_plan import DropDuplicates
from keras_gpt3.corpus.dedup.dedup_plan import PlannedPart
from keras_gpt3.corpus.dedup.dedup_plan import SignatureIndex
from keras_gpt3.corpus.dedup.dedup_plan import make_pairs
from keras_gpt3.corpus.dedup.dedup_plan import read_drops
from keras_gpt3.corpus.dedup.dedup_stage import dedup_stage
from keras_gpt3.corpus.dedup.signatures import DIGEST
from keras_gpt3.corpus.dedup.signatures import Signatures
from keras_gpt3.corpus.pipeline.beam_options import beam_options
from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.corpus.pipeline.part_file import StagePart
from keras_gpt3.corpus.pipeline.part_file import read_part
from keras_gpt3.corpus.pipeline.part_file import read_part_lines
from tests.corpus.part_files import write_parts

# === Dedup plan ===


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


# === Drop duplicates ===


MATCH = {"matched": "b", "similarity": 0.87, "kept": "c"}


def drop(tmp_path, rows):
    """Counts, the ids kept, and the records of what was dropped."""
    (item,) = write_parts(tmp_path / "in", {name: name * 9 for name in "abc"})
    path = tmp_path / "drops.json"
    drops = [{"row": r, "reason": "near duplicate", **MATCH} for r in rows]
    path.write_text(json.dumps(drops))
    part = StagePart("web", "part-00000", str(tmp_path), item.path, "1f")
    counts = DropDuplicates({item.path: str(path)})(part)
    kept = [document.id for document in read_part(part.output)]
    lines = read_part_lines(part.rejected("dropped"))
    return counts, kept, [json.loads(line) for line in lines]


def test_rows_go_and_say_what_they_matched(tmp_path):
    counts, kept, records = drop(tmp_path, [0, 2])
    assert kept == ["b"]
    assert [record["id"] for record in records] == ["a", "c"]
    assert records[0]["detail"] == MATCH
    assert records[0]["text"] == "a" * 9
    assert counts["dropped"] == {"near duplicate": 2}
    assert (counts["documents_in"], counts["documents_out"]) == (3, 1)
    assert counts["histograms"]["similarity"] == {"0.85": 2}


def test_without_drops_all_stays(tmp_path):
    counts, kept, records = drop(tmp_path, [])
    assert kept == ["a", "b", "c"] and records == []
    assert counts["dropped"] == {}


def test_a_missing_or_damaged_file_is_not_taken_for_no_drops(tmp_path):
    with pytest.raises(FileNotFoundError, match="must be listed. Received"):
        read_drops(tmp_path / "drops.json")
    (tmp_path / "drops.json").write_text("[")
    with pytest.raises(ValueError, match="must be a list in JSON. Received"):
        read_drops(tmp_path / "drops.json")


# === Signature index ===


SETTINGS = {"num_hashes": 10, "num_features": 2**18}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A finished stage of two parts, one of whose documents went."""
    folder = tmp_path_factory.mktemp("index")
    texts = {"a": "to be", "b": "or not", "c": "To Be"}
    inputs = write_parts(folder / "in", texts, num_parts=2)
    one = beam_options(workers=1)
    dedup_stage(DedupSection(), inputs, folder / "out", options=one)
    return folder / "out"


def test_an_index_holds_what_a_stage_kept(folder):
    index = SignatureIndex.open(folder, SETTINGS)
    parts = index.planned_parts(("crawl", "web"))
    assert [part.source for part in parts] == ["web", "web"]
    rows = [len(part.digest_entries(0)) for part in parts]
    # Two documents, each in two namespaces.
    assert sum(rows) == 2 * 2
    assert index.digest == SignatureIndex.open(folder, SETTINGS).digest


def test_what_is_no_index_is_refused(tmp_path):
    with pytest.raises(FileNotFoundError, match="finished stage dedup. R"):
        SignatureIndex.open(tmp_path, SETTINGS)


def test_an_index_of_other_settings_is_refused(folder):
    with pytest.raises(ValueError, match="index must have the settings of the"):
        SignatureIndex.open(folder, SETTINGS | {"num_hashes": 20})


def test_an_index_of_another_version_of_the_code_is_refused(
    folder, monkeypatch
):
    monkeypatch.setattr(module, "FORMAT", module.FORMAT + 1)
    with pytest.raises(ValueError, match="index must have the settings of the"):
        SignatureIndex.open(folder, SETTINGS)
