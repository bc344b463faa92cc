import pytest

from keras_gpt3.corpus.dedup import signatures
from keras_gpt3.corpus.dedup.signatures import Signatures
from keras_gpt3.corpus.dedup.signatures import SignPart
from keras_gpt3.corpus.dedup.signatures import signatures_path
from keras_gpt3.corpus.pipeline.part_file import StagePart
from tests.corpus.part_files import write_parts


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
