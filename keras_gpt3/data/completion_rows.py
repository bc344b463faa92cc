"""Which pairs of prompt and completion share a row: the first that fits."""


class OpenRows:
    """Rows with room left, and the first among them that has enough.

    A binary tree over rows: each node knows the most room below it, so that
    the search takes the logarithm of their number.

    Args:
        most: int. How many rows there can be.
        room: int. What an empty row has.

    Example:

    ```python
    from keras_gpt3.data.completion_rows import OpenRows

    rows = OpenRows(most=3, room=10)
    [rows.place(size) for size in (6, 5, 4)]  # [0, 1, 0]
    ```
    """

    def __init__(self, most, room):
        self._leaves = 1
        while self._leaves < most:
            self._leaves *= 2
        self._room = [room] * (2 * self._leaves)

    def place(self, size):
        """Puts something into the first row that it fits into.

        Args:
            size: int. The room that it takes.

        Returns:
            An int, the row.
        """
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
    """Packs things into rows: each, in order, into the first that has room.

    Args:
        sizes: list of ints, at most `room`.
        order: iterable of ints, positions in `sizes`.
        room: int. What fits into a row.

    Returns:
        A list of rows, each a list of positions.

    Example:

    ```python
    from keras_gpt3.data.completion_rows import first_fit

    first_fit([6, 5, 4], [0, 1, 2], room=10)  # [[0, 2], [1]]
    ```
    """
    open_rows, rows = OpenRows(len(sizes), room), []
    for item in order:
        row = open_rows.place(sizes[item])
        if row == len(rows):
            rows.append([])
        rows[row].append(item)
    return rows
