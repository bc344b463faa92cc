"""Which pairs of prompt and completion share a row: the first that fits."""


class OpenRows:
    """Rows with room left, and the first among them that has enough.

    A binary tree over rows: each node knows the most room below it, so that
    the search takes the logarithm of their number.
    """

    def __init__(self, most, room):
        self._leaves = 1
        while self._leaves < most:
            self._leaves *= 2
        self._room = [room] * (2 * self._leaves)

    def place(self, size):
        """Puts something into the first row that it fits into."""
        node = 1
        while node < self._leaves:
            node *= 2
            if self._room[node] < size:
                node += 1
        row = node - self._leaves
        self._room[node] -= size
        while node > 1:
            node //= 2
            self._room[node] = max(
                self._room[2 * node], self._room[2 * node + 1]
            )
        return row


def first_fit(sizes, order, room):
    """Packs things into rows: each, in order, into the first that has room."""
    open_rows, rows = OpenRows(len(sizes), room), []
    for item in order:
        row = open_rows.place(sizes[item])
        if row == len(rows):
            rows.append([])
        rows[row].append(item)
    return rows
