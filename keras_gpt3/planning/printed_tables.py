"""Objects that print as tables of at most 80 columns (needs rich)."""

import io


class PrintedTables:
    """What has `__rich__`, and shows the same to `print` and at a prompt.

    Example:

    ```python
    from keras_gpt3.planning.printed_tables import PrintedTables

    class Answer(PrintedTables):
        def __rich__(self):
            return "42"

    str(Answer())  # "42"
    ```
    """

    def __str__(self):
        # Inside: rich is needed only to print.
        from rich.console import Console

        console = Console(file=io.StringIO(), width=80)
        console.print(self)
        lines = console.file.getvalue().splitlines()
        return "\n".join(line.rstrip() for line in lines)

    # A prompt shows the tables too: that is what one calls `describe` for.
    def __repr__(self):
        return str(self)
