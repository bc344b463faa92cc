"""Tests of the way from documents to writers."""

import threading

import numpy as np
import pytest

from keras_gpt3.data import write_documents as module
from keras_gpt3.data.documents import DocumentEncoder
from keras_gpt3.data.documents import Documents
from keras_gpt3.data.write_documents import write_documents

TEXTS = [chr(40 + i) * (i % 7) for i in range(50)]


class ListWriter:
    """Keeps what is appended."""

    def __init__(self):
        self.documents = []
        self.num_tokens = 0

    def append(self, tokens):
        assert isinstance(tokens, np.ndarray)
        self.documents.append(tokens.tolist())


def write(texts, tokenizer, num_writers, choose, workers):
    writers = [ListWriter() for _ in range(num_writers)]
    source, encoder = Documents(texts), DocumentEncoder(tokenizer)
    write_documents(source, encoder, writers, choose, workers, False)
    return [writer.documents for writer in writers]


@pytest.mark.parametrize("workers", [1, 2, 4])
def test_every_document_goes_in_its_order_to_the_writer_chosen(
    tokenizer, monkeypatch, workers
):
    monkeypatch.setattr(module, "_BATCH_CHARACTERS", 9)
    found = write(TEXTS, tokenizer, 3, lambda text: len(text) % 3, workers)
    for side, documents in enumerate(found):
        assert documents == [
            [*map(ord, text), 299] for text in TEXTS if len(text) % 3 == side
        ]


@pytest.mark.parametrize("workers", [1, 3])
def test_documents_are_encoded_by_as_many_threads_as_workers(
    tokenizer, monkeypatch, workers
):
    monkeypatch.setattr(module, "_BATCH_DOCUMENTS", 1)
    barrier = threading.Barrier(workers, timeout=10)
    names, encode_batch = set(), tokenizer.encode_batch

    def meeting(texts, **options):
        barrier.wait()
        names.add(threading.current_thread().name)
        return encode_batch(texts, **options)

    monkeypatch.setattr(tokenizer, "encode_batch", meeting)
    write(TEXTS[: 6 * workers], tokenizer, 1, lambda text: 0, workers)
    assert len(names) == workers
    assert threading.current_thread().name not in names


def test_workers_are_the_usable_processors_unless_given(monkeypatch, tokenizer):
    seen = []
    monkeypatch.setattr(module, "usable_processors", lambda: 3)
    monkeypatch.setattr(
        module, "ordered_map", lambda f, items, n: seen.append(n) or iter_of(())
    )
    write(TEXTS, tokenizer, 1, lambda text: 0, None)
    assert seen == [3]


def iter_of(items):
    yield from items
