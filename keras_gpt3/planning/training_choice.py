"""Micro-batches and rematerialization with which training fits in memory."""

import dataclasses

from keras_gpt3.planning.mesh import divisors
from keras_gpt3.planning.training_memory import estimate_training_memory

# Of the memory that is there, left free: the estimate is within 15% of what
# was measured, most of it within 10%.
MARGIN = 0.1


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingChoice:
    """Arguments of `GPT3.compile`, and what they take."""

    micro_batch_size: int | None
    rematerialization: str | int
    memory: dict

    @property
    def arguments(self):
        """The arguments as they are written."""
        return (
            f"micro_batch_size={self.micro_batch_size}, "
            f"rematerialization={self.rematerialization!r}"
        )


def training_choices(config, batch_size, policies=None, **options):
    """Yield all choices, the one that computes least first.

    Without rematerialization, then every k-th block by falling k, then all
    blocks; each with micro-batches by falling size, which are the divisors of
    the rows.
    """
    if policies is None:
        policies = ("none", *range(config["num_layers"], 1, -1), "block")
    for policy in policies:
        for size in divisors(batch_size):
            yield given_choice(
                config,
                batch_size,
                micro_batch_size=None if size == batch_size else size,
                rematerialization=policy,
                **options,
            )


def given_choice(
    config,
    batch_size,
    micro_batch_size=None,
    rematerialization="none",
    **options,
):
    """Return the arguments of `compile` that are given, with what they take."""
    chosen = {
        "micro_batch_size": micro_batch_size,
        "rematerialization": rematerialization,
    }
    memory = estimate_training_memory(
        config, batch_size=batch_size, **chosen, **options
    )
    return TrainingChoice(**chosen, memory=memory)


def choose_training(config, batch_size, budget, **options):
    """Return the first choice within the budget, and whether one is."""
    smallest, policies = None, None
    estimate = estimate_training_memory(config, **options)
    if estimate["weights"] + estimate["optimizer"] > budget:
        policies = ["block"]  # Nothing fits; it takes least.
    for choice in training_choices(config, batch_size, policies, **options):
        if choice.memory["total"] <= budget:
            return choice, True
        if smallest is None or _total(choice) < _total(smallest):
            smallest = choice
    return smallest, False


def _total(choice):
    return choice.memory["total"]
