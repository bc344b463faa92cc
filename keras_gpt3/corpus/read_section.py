"""The section `read` of a corpus build's config."""

import dataclasses

from keras_gpt3.corpus.share_argument import check_share
from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class ReadSection:
    """Which documents are read."""

    languages: list[str] | None = None
    min_language_score: float = 0.3
    min_characters: int = 1
    max_line_bytes: int = 2**26

    def __post_init__(self):
        check_share("read.min_language_score", self.min_language_score)
        check_integers(self, "read", min_characters=0, max_line_bytes=1)
