"""Where a run stands, besides its arrays."""

import dataclasses
import math


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
        """Adds batches to be passed over; those of the past stay as
        they were.
        """
        self.skip_batches |= {b for b in batches if b >= self.batch}
        self._pass_over()

    def advance(self, tokens, applied):
        """Counts a step."""
        self._last = self.batch
        self.step += 1
        self.batch += 1
        self.tokens_seen += tokens
        self.skipped_updates += not applied
        self.skipped_in_a_row = 0 if applied else self.skipped_in_a_row + 1
        self._pass_over()

    def is_best(self, loss):
        """Takes in a held-out loss."""
        if loss is None or not math.isfinite(loss):
            return False
        is_best = self.best_loss is None or loss < self.best_loss
        if is_best:
            self.best_loss = loss
        return is_best

    def as_facts(self):
        """Gives what JSON can hold of it."""
        facts = dataclasses.asdict(self)
        return facts | {"skip_batches": sorted(self.skip_batches)}

    def _pass_over(self):
        while self.batch in self.skip_batches:
            self.batch += 1
