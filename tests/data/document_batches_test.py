import pytest

from keras_gpt3.corpus.pipeline.document import Document
from keras_gpt3.data.documents import document_batches


@pytest.mark.parametrize(
    ("limits", "batches"),
    [
        ((99, 99), ["a bb cccccc d e"]),
        ((2, 99), ["a bb", "cccccc d", "e"]),
        ((99, 3), ["a bb", "cccccc", "d e"]),
        ((1, 1), ["a", "bb", "cccccc", "d", "e"]),
    ],
)
def test_a_batch_ends_at_the_limit_that_comes_first(limits, batches):
    texts = "a bb cccccc d e".split()
    found = document_batches(iter(texts), *limits)
    assert [" ".join(batch) for batch in found] == batches
    documents = [Document(text, "novels", text) for text in texts]
    found = document_batches(documents, *limits)
    assert [" ".join(d.id for d in batch) for batch in found] == batches


def test_of_nothing_there_is_no_batch():
    assert list(document_batches([], 1, 1)) == []


def test_no_more_is_read_than_a_batch_needs():
    texts = iter("abc")
    assert next(document_batches(texts, 2, 99)) == ["a", "b"]
    assert next(texts) == "c"
