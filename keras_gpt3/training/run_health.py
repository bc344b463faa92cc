"""Judges each step of a run: fine, skipped, or a spike."""

import logging

from keras_gpt3.training.loss_spikes import LossSpikes

logger = logging.getLogger("keras_gpt3")


class RunHealth:
    """Watches for updates that are not finite, and for losses that jump.

    Args:
        section: `HealthSection`.
        name_contexts: callable. Takes a batch's number, gives names of its
            contexts, for the log.

    Example:

    ```python
    from keras_gpt3.training.health_section import HealthSection
    from keras_gpt3.training.run_health import RunHealth
    from keras_gpt3.training.run_state import RunState

    health = RunHealth(HealthSection(), name_contexts=lambda batch: [])
    state = RunState()
    state.advance(tokens=1024, applied=True)
    health.is_spike(state, {"loss": 3.0, "gradient_norm": 1.0, "applied": 1})
    ```
    """

    def __init__(self, section, name_contexts):
        self._section, self._name_contexts = section, name_contexts
        self.losses = LossSpikes(section.spike_deviations, section.spike_window)

    def is_spike(self, state, report):
        """Takes in a step.

        Args:
            state: `RunState`, after the step.
            report: dict, from `PretrainingTrainer`.

        Returns:
            Whether the run is to go back to its last checkpoint.

        Raises:
            RuntimeError: If too many updates in a row were skipped, or the run
                went back too often.
        """
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
