"""Judges each step of a run: fine, skipped, or a spike."""

import logging

from keras_gpt3.training.loss_spikes import LossSpikes

logger = logging.getLogger("keras_gpt3")


class RunHealth:
    """Watches for updates that are not finite, and for losses that jump."""

    def __init__(self, section, name_contexts):
        self._section, self._name_contexts = section, name_contexts
        self.losses = LossSpikes(section.spike_deviations, section.spike_window)

    def is_spike(self, state, report):
        """Takes in a step."""
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
        logger.warning(
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
