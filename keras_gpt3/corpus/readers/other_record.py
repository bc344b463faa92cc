"""A record that is sound, and no document by its nature."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class OtherRecord:
    """What a crawl tells of itself: a request, metadata, the file's own.

    It is counted, and no loss.
    """

    kind: str
