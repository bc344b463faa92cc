"""The section `read` of a corpus build's config."""

import dataclasses

from keras_gpt3.corpus.share_argument import check_share
from keras_gpt3.integer_argument import check_integers


@dataclasses.dataclass(frozen=True)
class ReadSection:
    """Which documents are read.

    Args:
        languages: list of strings. Codes such as `"en"` of the languages that
            are kept. Defaults to `None`, all, and none is identified.
        min_language_score: float. How sure the language must be, from 0 to 1.
            Defaults to `0.3`: of English manuals, full of names and code, 9%
            have less than 0.5 and 2% less than 0.3, mostly pages of an index;
            of random letters and of base64, 0% and 3% are taken for English
            with more.
        min_characters: int. Shorter documents are dropped. Defaults to `1`.
        max_line_bytes: int. Longer lines of a JSON-lines file are put aside
            unread. Defaults to `2**26`.

    Raises:
        ValueError: If a number is out of its range.

    Example:

    ```python
    from keras_gpt3.corpus.read_section import ReadSection

    ReadSection(languages=["en", "de"], min_characters=200)
    ```
    """

    languages: list[str] | None = None
    min_language_score: float = 0.3
    min_characters: int = 1
    max_line_bytes: int = 2**26

    def __post_init__(self):
        check_share("read.min_language_score", self.min_language_score)
        check_integers(self, "read", min_characters=0, max_line_bytes=1)
