"""What a run knows of itself between steps: its state and health."""

import collections
import dataclasses
import logging
import math
import statistics

from keras_gpt3.argument_checks import check_integer

_logger = logging.getLogger("keras_gpt3")


@dataclasses.dataclass
class RunState:
    """Counters that a checkpoint holds beside the arrays.

    The next batch is never one of those that are passed over.
    """

    step: int = 0
    batch: int = 0
    tokens_seen: int = 0
    skip_batches: set = dataclasses.field(default_factory=set)
    skipped_updates: int = 0
    skipped_in_a_row: int = 0
    rollbacks: int = 0
    best_loss: float | None = None
    validated_step: int | None = None

    def __post_init__(self):
        self.skip_batches = set(self.skip_batches)
        self._last = None
        self._pass_over()

    @property
    def last_batch(self):
        """The batch of the last step, or `None` before the first one."""
        return self._last

    def skip(self, batches):
        """Add batches to be skipped; those of the past stay as they were."""
        self.skip_batches |= {b for b in batches if b >= self.batch}
        self._pass_over()

    def advance(self, tokens, applied):
        """Count a step."""
        self._last = self.batch
        self.step += 1
        self.batch += 1
        self.tokens_seen += tokens
        self.skipped_updates += not applied
        self.skipped_in_a_row = 0 if applied else self.skipped_in_a_row + 1
        self._pass_over()

    def is_best(self, loss):
        """Whether a held-out loss is the lowest so far, which it then is."""
        if loss is None or not math.isfinite(loss):
            return False
        is_best = self.best_loss is None or loss < self.best_loss
        if is_best:
            self.best_loss = loss
        return is_best

    def as_metadata(self):
        """The counters as JSON holds them."""
        return dataclasses.asdict(self) | {
            "skip_batches": sorted(self.skip_batches)
        }

    def _pass_over(self):
        while self.batch in self.skip_batches:
            self.batch += 1


class RunHealth:
    """Watches for updates that are not finite, and for losses that jump."""

    def __init__(self, section, name_contexts):
        self._section, self._name_contexts = section, name_contexts
        self.losses = LossSpikes(section.spike_deviations, section.spike_window)

    def is_spike(self, state, report):
        """Add a step; whether its loss is a spike."""
        if not report["applied"]:
            self._check_skipped(state, report)
            return False
        if not self.losses.add(report["loss"]):
            return False
        if state.rollbacks >= self._section.max_rollbacks:
            raise RuntimeError(
                "A run must not go back more often than health.max_rollbacks. "
                f"Received: max_rollbacks={self._section.max_rollbacks}, and a "
                f"loss of {report['loss']:.4g} at step {state.step}. Raise it, "
                "or health.spike_deviations, and resume."
            )
        return True

    def _check_skipped(self, state, report):
        _logger.warning(
            "Update %d was skipped: loss %s, gradient norm %s. Batch %d holds "
            "the contexts %s.",
            state.step,
            report["loss"],
            report["gradient_norm"],
            state.last_batch,
            self._name_contexts(state.last_batch),
        )
        if state.skipped_in_a_row >= self._section.max_skipped_in_a_row:
            raise RuntimeError(
                "Updates must be finite. Received: "
                f"{state.skipped_in_a_row} in a row that were not, up to step "
                f"{state.step}. The log names their batches: list them in "
                "data.skip_batches and resume, or begin another run with a "
                "lower learning rate."
            )


class LossSpikes:
    """Compares each loss with those of the steps before."""

    def __init__(self, deviations, window=100):
        if deviations is not None and not deviations > 0:
            raise ValueError(
                "spike_deviations must be above 0. Received: spike_deviations="
                f"{deviations}. Use None to look for no spikes."
            )
        check_integer("spike_window", window, minimum=4)
        self._deviations = deviations
        self._losses = collections.deque(maxlen=window)

    def add(self, loss):
        """Add the loss of a step; whether it is a spike."""
        if self._deviations is None or not math.isfinite(loss):
            return False
        losses = self._losses
        if len(losses) >= losses.maxlen // 2:
            bound = statistics.fmean(losses)
            bound += self._deviations * statistics.pstdev(losses)
            if loss > bound:
                return True
        losses.append(loss)
        return False

    def forget(self):
        """Start anew, after a rollback."""
        self._losses.clear()

    def get_state(self):
        """The losses, to be saved with a run."""
        return list(self._losses)

    def set_state(self, losses):
        """Restore saved losses."""
        self._losses.clear()
        self._losses.extend(losses)
