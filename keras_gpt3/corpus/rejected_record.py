"""What a stage put aside, and why."""

import dataclasses
import json

_KEPT_CHARACTERS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that could not be read, or a document that a stage dropped.

    Args:
        source: string. The data set that it is of.
        reason: string. Few different ones, for they are counted: `"broken
            gzip"`, not the library's message.
        text: string. Its first 1000 characters are kept. Defaults to `""`.
        id: string. Where it had one. Defaults to `None`.
        where: string. Where it stood: `"a.jsonl:3"`. Defaults to `None`.
        detail: what JSON can hold. What else is known: a library's message,
            the id of the document that it equals. Defaults to `None`.

    Example:

    ```python
    from keras_gpt3.corpus.rejected_record import RejectedRecord

    RejectedRecord("novels", "no JSON", "{", where="a.jsonl:3").to_json()
    ```
    """

    source: str
    reason: str
    text: str = ""
    id: str | None = None
    where: str | None = None
    detail: object = None

    @classmethod
    def of_document(cls, document, reason, detail=None):
        """A document that is dropped.

        Args:
            document: `Document`.
            reason: string.
            detail: what JSON can hold. Defaults to `None`.

        Returns:
            A `RejectedRecord`.
        """
        return cls(
            document.source, reason, document.text, document.id, detail=detail
        )

    def to_json(self):
        """The record as a line of JSON, without a line's end.

        Returns:
            A string.
        """
        fields = {
            "id": self.id,
            "source": self.source,
            "where": self.where,
            "reason": self.reason,
            "detail": self.detail,
            "text": self.text[:_KEPT_CHARACTERS],
        }
        return json.dumps(fields, ensure_ascii=False, separators=(",", ":"))

    @classmethod
    def from_json(cls, line):
        """Reads what `to_json` wrote.

        Args:
            line: string or bytes.

        Returns:
            A `RejectedRecord`.
        """
        return cls(**json.loads(line))
