"""Options whose help stands in a table, so that a signature can be read."""

import typer


def options_with(texts):
    """Makes a function that makes options, each with its help of a table."""

    def option(name, *spellings, **settings):
        return typer.Option(*spellings, help=texts[name], **settings)

    return option
