"""Documents of a corpus, kept or rejected, and hashes of them."""

import dataclasses
import hashlib
import json

from keras_gpt3.argument_checks import echoed
from keras_gpt3.data.json_objects import parse_json_line


@dataclasses.dataclass(frozen=True, slots=True)
class Document:
    """A text, whence it came, and what the stages found out about it."""

    id: str
    source: str
    text: str
    url: str | None = None
    extra: dict = dataclasses.field(default_factory=dict)

    def with_extra(self, **extra):
        """The same document with more in `extra`."""
        return dataclasses.replace(self, extra=self.extra | extra)

    def to_json(self):
        """The document as a line of JSON, without a line's end."""
        fields = {
            "id": self.id,
            "source": self.source,
            "url": self.url,
            "text": self.text,
        }
        return json.dumps(
            fields | self.extra, ensure_ascii=False, separators=(",", ":")
        )

    @classmethod
    def from_json(cls, line):
        """Read what `to_json` wrote."""
        try:
            fields = parse_json_line(line)
            return cls(
                id=fields.pop("id"),
                source=fields.pop("source"),
                url=fields.pop("url"),
                text=fields.pop("text"),
                extra=fields,
            )
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(
                "A line of a part must be JSON with id, source, url and text. "
                f"Received: {echoed(line[:80])} ({echoed(error)}). Run the "
                "stage that wrote it again."
            ) from error


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

    @classmethod
    def of_data(cls, source, reason, data=b"", **fields):
        """What could not be decoded, with the start of it."""
        text = data[:_KEPT_CHARACTERS].decode("utf-8", "replace")
        return cls(source, reason, text, **fields)

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
        """Read what `to_json` wrote."""
        return cls(**json.loads(line))


def stable_hash(*parts):
    """A hash of 64 bits (blake2b)."""
    digest = hashlib.blake2b(digest_size=8)
    for part in parts:
        data = part
        if not isinstance(data, bytes):
            # Ids may hold half a surrogate pair: JSON can.
            data = str(part).encode("utf-8", "surrogatepass")
        digest.update(b"%d:" % len(data))
        digest.update(data)
    return int.from_bytes(digest.digest(), "big")


def stable_uniform(seed, *parts):
    """A number of the uniform distribution, a function of its arguments."""
    # 53 bits, as many as a float holds: no rounding up to 1.
    return (stable_hash(seed, *parts) >> 11) * 2.0**-53
