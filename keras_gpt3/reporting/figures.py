"""Figures of reports and runs: how one is opened, styled and saved.

Without pyplot, and matplotlib itself imported when used: no window, and no
state that outlives a figure.
"""

import dataclasses
import math
import pathlib
import warnings

import numpy as np

from keras_gpt3.atomic_write import atomic_write

# As sharp as a page of a report needs on a fine screen.
_DPI = 150
INK, PALE = "0.2", "0.8"
# The paper is drawn in greys, so all that has a colour was measured here.
PAPER_GREY, PAPER_TEXT = "0.72", "0.45"
COLOURS = tuple(f"tab:{name}" for name in ("blue", "orange", "green", "red"))
COLOURS += tuple(f"tab:{name}" for name in ("purple", "brown", "pink", "cyan"))


def open_figure(size, rows=1, columns=1, **options):
    """Make a figure of panels with a grid; return it and the panels."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False, **options).flatten()
    for axes in grid:
        axes.grid(alpha=0.3)
    return figure, grid.tolist()


def open_panels(count, panel_size, columns=3, **options):
    """Make a figure of so many panels, a few in a row."""
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    size = (panel_size[0] * columns, panel_size[1] * rows)
    figure, grid = open_figure(size, rows, columns, **options)
    for axes in grid[count:]:
        axes.remove()
    return figure, grid[:count]


def open_rows(labels, x_label):
    """Make a figure with a line at 0 and a row for each label, from above."""
    labels = list(labels)
    figure, (axes,) = open_figure((8, 1.4 + 0.55 * len(labels)))
    axes.axvline(0, color="0.4", linewidth=1)
    # A model may say "$5", which is not a formula.
    axes.set_yticks(range(len(labels)), labels, parse_math=False)
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.grid(visible=False, axis="y")
    axes.set_xlabel(x_label)
    return figure, axes


def save_figure(figure, path):
    """Save a figure atomically, unless the path is `None`; return it."""
    if path is not None:
        path = pathlib.Path(path)
        with warnings.catch_warnings(), atomic_write(path) as file:
            # A model may say words in letters that the font does not have.
            warnings.filterwarnings("ignore", "Glyph .* missing from font")
            figure.savefig(file, dpi=_DPI, format=path.suffix[1:] or "png")
    return figure


def shades(count):
    """Make `count` colours, from dark to light."""
    import matplotlib

    # Its yellow end is hard to see on white.
    return matplotlib.colormaps["viridis"](np.linspace(0, 0.85, count))


def legend_below(figure, columns=3):
    """Put one legend of all panels below them, each label once."""
    handles = {}
    for axes in figure.axes:
        found = axes.get_legend_handles_labels()
        for handle, label in zip(*found, strict=True):
            handles.setdefault(label, handle)
    if handles:
        figure.legend(
            list(handles.values()),
            list(handles),
            loc="outside lower center",
            ncols=min(len(handles), columns),
            frameon=False,
        )


def legend_above(axes):
    """Put a legend above a panel, for within it a curve may be anywhere."""
    if axes.get_legend_handles_labels()[0]:
        axes.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1),
            ncols=5,
            frameon=False,
            handlelength=1.5,
        )


# === Curves over a common axis ===


@dataclasses.dataclass(frozen=True)
class Curve:
    """A series of a panel; NaN is a gap. The style is matplotlib's."""

    x: np.ndarray
    y: np.ndarray
    label: str | None = None
    style: dict = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Panel:
    """Curves that share a vertical axis, and events marked at its foot."""

    label: str
    curves: tuple
    scale: str = "linear"
    height: float = 1
    from_zero: bool = False
    events: tuple = ()
    events_label: str | None = None


def plot_panels(panels, x_label, x_scale="linear", path=None):
    """Draw panels above each other, over a common horizontal axis."""
    heights = [panel.height for panel in panels]
    figure, grid = open_figure(
        (8, 2 * sum(heights)), len(panels), sharex=True, height_ratios=heights
    )
    for axes, panel in zip(grid, panels, strict=True):
        for curve in panel.curves:
            kept = drawn_points(curve.y)
            style = {"color": INK} | curve.style
            axes.plot(curve.x[kept], curve.y[kept], label=curve.label, **style)
        _mark_events(axes, panel)
        axes.set_yscale(panel.scale)
        if panel.from_zero:
            axes.set_ylim(bottom=0)
        axes.set_ylabel(panel.label)
        legend_above(axes)
    grid[-1].set_xscale(x_scale)
    grid[-1].set_xlabel(x_label)
    figure.align_ylabels(grid)
    return save_figure(figure, path)


def _mark_events(axes, panel):
    if not len(panel.events):
        return
    axes.plot(
        panel.events,
        np.full(len(panel.events), 0.05),
        "x",
        color="tab:red",
        # At the panel's foot: what a curve has there may not be finite.
        transform=axes.get_xaxis_transform(),
        label=panel.events_label,
    )


def noisy_curve(x, y, label):
    """A series that swings, pale, below its moving average."""
    smooth = moving_average(y)
    return (
        Curve(x, y, style={"color": PALE}),
        Curve(x, smooth, f"{label}, moving average"),
    )


# A moving average is over this share of a series.
_AVERAGED_SHARE = 0.05


def moving_average(values):
    """Means over a twentieth of a series, half of it on either side.

    Towards its end a window has fewer values ahead, but as many before: were
    it to shrink on both sides, the last mean would be that of a single step,
    and the curve would bend towards it. Towards the start it does shrink, as a
    loss falls fast there. NaN is left out.
    """
    index = np.arange(len(values))
    half = np.minimum(int(_AVERAGED_SHARE * len(values) / 2), index)
    return _window_means(values, half, half)


def trailing_average(values):
    """Means over each value and those just before it, a twentieth of all."""
    width = max(1, int(_AVERAGED_SHARE * len(values)))
    return _window_means(values, width - 1, 0)


def _window_means(values, before, after):
    values = np.asarray(values, "float64")
    index = np.arange(len(values))
    starts = np.maximum(index - before, 0)
    ends = np.minimum(index + after + 1, len(values))

    def window_sums(terms):
        sums = np.concatenate([[0.0], np.cumsum(terms)])
        return sums[ends] - sums[starts]

    known = ~np.isnan(values)
    totals = window_sums(np.where(known, values, 0.0))
    counts = window_sums(known)
    nothing = np.full(len(values), np.nan)
    return np.divide(totals, counts, out=nothing, where=counts > 0)


# A curve is cut into so many pieces, each drawn from its lowest to its highest
# point: as many as a figure of ordinary size has pixels across.
_PIECES = 1000


def drawn_points(values, num_pieces=_PIECES):
    """Indices of the points, at most `2 * num_pieces + 2`, to draw a curve by.

    Peaks stay: of each piece of the curve both extremes are kept, and of the
    whole the first and the last point.
    """
    count = len(values)
    if count <= 2 * num_pieces + 2:
        return np.arange(count)
    size = -(-count // num_pieces)
    starts = np.arange(0, count, size)
    padding = (0, len(starts) * size - count)
    kept = [0, count - 1]
    for find, worst in ((np.argmin, np.inf), (np.argmax, -np.inf)):
        known = np.where(np.isnan(values), worst, values)
        pieces = np.pad(known, padding, constant_values=worst)
        kept.extend(starts + find(pieces.reshape(-1, size), axis=1))
    return np.unique(kept)
