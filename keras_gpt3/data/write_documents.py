"""Reads, encodes and writes documents, all three at the same time."""

import contextlib

from keras_gpt3.data.ordered_map import ordered_map
from keras_gpt3.data.usable_processors import usable_processors
from keras_gpt3.data.write_progress import write_progress
from keras_gpt3.integer_argument import check_integer

# What a thread encodes at a time: enough to be worth the way to it, little
# enough for memory.
_BATCH_DOCUMENTS = 1024
_BATCH_CHARACTERS = 2**17


def write_documents(source, encoder, writers, choose, workers, progress):
    """Encode documents in threads and append them in their order.

    The caller's thread reads and writes while `workers` threads encode. What
    is written does not depend on the number of threads.
    """
    if workers is None:
        workers = usable_processors()
    check_integer("workers", workers, minimum=1)

    def encode(texts):
        return encoder.encode(texts), [choose(text) for text in texts]

    batches = source.batches(_BATCH_DOCUMENTS, _BATCH_CHARACTERS)
    with (
        write_progress(source, writers, progress) as update,
        contextlib.closing(ordered_map(encode, batches, workers)) as encoded,
    ):
        for documents, indices in encoded:
            for tokens, index in zip(documents, indices, strict=True):
                writers[index].append(tokens)
            update()
