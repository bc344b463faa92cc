"""What a stage put aside, and why."""

import dataclasses
import json

_KEPT_CHARACTERS = 1000


@dataclasses.dataclass(frozen=True, slots=True)
class RejectedRecord:
    """A record that could not be read, or a document that a stage dropped."""

    source: str
    reason: str
    text: str = ""
    id: str | None = None
    where: str | None = None
    detail: object = None

    @classmethod
    def of_document(cls, document, reason, detail=None):
        """A document that is dropped."""
        return cls(
            document.source, reason, document.text, document.id, detail=detail
        )

    def to_json(self):
        """The record as a line of JSON, without a line's end."""
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
        """Reads what `to_json` wrote."""
        return cls(**json.loads(line))
