"""Options whose help stands in a table, so that a signature can be read."""

import typer


def options_with(texts):
    """Makes a function that makes options, each with its help of a table.

    Args:
        texts: dict from a parameter's name to its help.

    Returns:
        A function that takes a parameter's name, then the option's own
        spellings where typer's is not wanted, and more arguments of
        `typer.Option` by their names. It returns what typer takes for an
        option.

    Example:

    ```python
    from keras_gpt3.cli.option_help import options_with

    option = options_with({"seed": "Of the bootstrap."})
    option("seed").help  # "Of the bootstrap."
    ```
    """

    def option(name, *spellings, **settings):
        return typer.Option(*spellings, help=texts[name], **settings)

    return option
