"""Batches of documents that are small in number and in length."""


def document_batches(documents, num_documents, num_characters):
    """Yields documents in lists, each as long as its limits allow.

    Memory follows the characters, and the time of a call the documents.
    """
    batch, length = [], 0
    for document in documents:
        batch.append(document)
        length += len(document if isinstance(document, str) else document.text)
        if len(batch) >= num_documents or length >= num_characters:
            yield batch
            batch, length = [], 0
    if batch:
        yield batch
