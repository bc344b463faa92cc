"""Keeps a picture of a run's curves beside its log."""

import logging
import os

from keras_gpt3.training.run_folder import RunFolder
from keras_gpt3.training.run_plot import plot_run

logger = logging.getLogger("keras_gpt3")


class PlotSink:
    """Takes records; to be given to a run, after what writes its log.

    It draws the log of the folder into `curves.png` after each validation and
    at the end. What goes wrong with that is logged, not raised: the run goes
    on.
    """

    def __init__(self, folder):
        self._folder = RunFolder(folder).path
        self.path = self._folder / "curves.png"
        self._is_behind = False

    def __call__(self, record, is_due):
        """Draws after a validation, whose record is in the log by then."""
        self._is_behind |= is_due
        if record["kind"] == "validation":
            self._draw()

    def close(self):
        """Draws what came after the last validation."""
        if self._is_behind:
            self._draw()

    def _draw(self):
        # Renamed when it is whole: somebody may look at it, and a kill come.
        new = self._folder / f".{os.getpid()}.{self.path.name}"
        try:
            plot_run(self._folder, new)
            new.replace(self.path)
            self._is_behind = False
        # Whatever it is, the run is worth more than its picture.
        except Exception as error:
            logger.warning(
                "The curves could not be drawn to %s: %s The run goes on.",
                self.path,
                error,
            )
