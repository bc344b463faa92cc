"""Sums up the counts of parts."""

# A report shows a few samples, whatever the number of parts.
MAX_SAMPLES = 20


def merge_counts(counts):
    """Adds numbers, joins lists, and so on in the dicts that hold them."""
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
