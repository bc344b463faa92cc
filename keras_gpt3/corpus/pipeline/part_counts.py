"""Counts what a stage does to the documents of one part."""

_SAMPLES = 5
_SAMPLE_CHARACTERS = 300


class PartCounts:
    """What a report shows of a part: documents in and out, and why."""

    def __init__(self):
        self._totals = dict.fromkeys(
            (
                "documents_in",
                "documents_out",
                "characters_in",
                "characters_out",
            ),
            0,
        )
        self._dropped = {}
        self._samples = {}
        self._histograms = {}

    def read(self, document):
        """Count a document that the stage was given."""
        self._totals["documents_in"] += 1
        self._totals["characters_in"] += len(document.text)

    def keep(self, document):
        """Count a document that the stage writes, and its length."""
        self._totals["documents_out"] += 1
        self._totals["characters_out"] += len(document.text)
        self._add("length", length_bin(len(document.text)))

    def drop(self, record):
        """Count what is rejected; the first few of a reason are kept."""
        reason = record.reason
        self._dropped[reason] = self._dropped.get(reason, 0) + 1
        self.sample(record)

    def sample(self, record):
        """Keep a rejected record for the report, if it is of the first few."""
        samples = self._samples.setdefault(record.reason, [])
        if len(samples) < _SAMPLES:
            samples.append(
                {
                    "id": record.id,
                    "source": record.source,
                    "where": record.where,
                    "detail": record.detail,
                    "text": record.text[:_SAMPLE_CHARACTERS],
                }
            )

    def observe(self, name, value, width=0.05):
        """Add a number to a histogram."""
        # In a float, 0.15 / 0.05 is a little less than 3.
        number = int((value + 1e-9) // width)
        self._add(name, f"{number * width:.6g}")

    def to_json(self):
        """What `StagePart.finish` takes and `merge_counts` adds up."""
        return {
            **self._totals,
            "dropped": self._dropped,
            "samples": self._samples,
            "histograms": self._histograms,
        }

    def _add(self, name, lower_end):
        bins = self._histograms.setdefault(name, {})
        bins[lower_end] = bins.get(lower_end, 0) + 1


def length_bin(number):
    """The bin of a number in a histogram of sizes: each is twice as wide."""
    return str(2 ** (number.bit_length() - 1) if number else 0)


# A report shows a few samples, whatever the number of parts.
MAX_SAMPLES = 20


def merge_counts(counts):
    """Add numbers, joins lists, and so on in the dicts that hold them."""
    values = {}
    for item in counts:
        for key, value in item.items():
            values.setdefault(key, []).append(value)
    return {key: _merged(values[key]) for key in sorted(values)}


def _merged(values):
    if isinstance(values[0], dict):
        return merge_counts(values)
    if isinstance(values[0], list):
        return _in_turn(values)
    return sum(values)


def _in_turn(lists):
    """The first items of all lists, then the second ones, up to the limit."""
    items = []
    for index in range(max(map(len, lists))):
        items += [part[index] for part in lists if index < len(part)]
        if len(items) >= MAX_SAMPLES:
            break
    return items[:MAX_SAMPLES]
