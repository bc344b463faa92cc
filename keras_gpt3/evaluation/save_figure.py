"""Saves a plot of a report."""

import warnings

# As sharp as a page of a report needs on a fine screen.
_DPI = 150


def save_figure(figure, path):
    """Saves a figure.

    Args:
        figure: `matplotlib.figure.Figure`.
        path: path; its ending is the format. `None` saves nothing.

    Returns:
        The same figure.

    Example:

    ```python
    from matplotlib.figure import Figure

    from keras_gpt3.evaluation.save_figure import save_figure

    save_figure(Figure(), "empty.png")
    ```
    """
    if path is not None:
        with warnings.catch_warnings():
            # A model may say words in letters that the font does not have.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(path, dpi=_DPI)
    return figure
