"""Batches of documents that are small in number and in length."""


def document_batches(documents, num_documents, num_characters):
    """Yields documents in lists, each as long as its limits allow.

    Memory follows the characters, and the time of a call the documents.

    Args:
        documents: iterable of `Document`s, or of strings.
        num_documents: int. A list has at most so many.
        num_characters: int. A list ends with the document by which it has so
            many.

    Yields:
        Lists, none of them empty.

    Example:

    ```python
    from keras_gpt3.corpus.document_batches import document_batches

    list(document_batches(["a", "b", "long", "c"], 2, 3))
    # [["a", "b"], ["long"], ["c"]]
    ```
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
