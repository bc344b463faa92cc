"""One document of a corpus."""

import dataclasses
import json

from keras_gpt3.data.json_line import parse_json_line
from keras_gpt3.echoed_value import echoed


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
        """Reads what `to_json` wrote."""
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
