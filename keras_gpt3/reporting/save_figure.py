"""Saves a plot of a report."""

import warnings

# As sharp as a page of a report needs on a fine screen.
_DPI = 150


def save_figure(figure, path):
    """Saves a figure."""
    if path is not None:
        with warnings.catch_warnings():
            # A model may say words in letters that the font does not have.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(path, dpi=_DPI)
    return figure
