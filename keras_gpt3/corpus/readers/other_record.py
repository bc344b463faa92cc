"""A record that is sound, and no document by its nature."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class OtherRecord:
    """What a crawl tells of itself: a request, metadata, the file's own.

    It is counted, and no loss.

    Args:
        kind: string. Few different ones: `"request"`.

    Example:

    ```python
    from keras_gpt3.corpus.readers.other_record import OtherRecord

    OtherRecord("request").kind
    ```
    """

    kind: str
