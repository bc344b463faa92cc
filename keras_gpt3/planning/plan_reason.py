"""Why a plan fits, or what would fit, in words."""

import dataclasses

from keras_gpt3.planning.byte_size import format_bytes
from keras_gpt3.planning.dtype_bytes import bytes_per_weight
from keras_gpt3.planning.mesh_search import fewest_devices
from keras_gpt3.planning.parallelism_choice import best_choice
from keras_gpt3.planning.training_choice import MARGIN
from keras_gpt3.planning.training_choice import choose_training


def plan_reason(job, choice, budget, mesh=None):
    """Says how the memory of a choice compares with what may be used."""
    total = choice.memory["total"]
    usable = (
        f"the {format_bytes(budget)} that may be used ({MARGIN:.0%} of a "
        "device stays free)"
    )
    if total <= budget:
        fits = f"The step takes {format_bytes(total)} at its peak, of {usable}."
        return fits + _why_split(job, choice, mesh)
    place = "" if choice.mesh.devices == 1 else f"on a mesh {choice.mesh} and "
    ways = _remedies(job, choice, budget, mesh)
    return (
        f"Even {place}with {choice.arguments} the step takes "
        f"{format_bytes(total)} at its peak, {format_bytes(total - budget)} "
        f"more than {usable}. Use {', or '.join(ways)}."
    )


def _why_split(job, choice, mesh):
    """Why it is not every device that has the whole model."""
    devices = choice.mesh.devices
    if choice.is_plain or mesh is not None:
        return ""
    if job.rows % devices:
        return (
            f" The {job.rows} rows cannot be shared equally by {devices} "
            "replicas."
        )
    # In no memory, the choice that takes least.
    least, _ = choose_training(
        job.config, job.rows // devices, 0, **job.memory_options
    )
    return (
        " The whole model would take at least "
        f"{format_bytes(least.memory['total'])} on each device."
    )


def _remedies(job, choice, budget, mesh):
    """What would fit: other devices, more of them, fewer bytes, a mesh."""
    devices = choice.mesh.devices
    total = choice.memory["total"]
    ways = [f"devices of {format_bytes(total / (1 - MARGIN))}"]
    more = fewest_devices(job, devices, budget)
    if more is not None:
        ways.append(f"devices={more}")
    if mesh is not None:
        other, fits = best_choice(job, devices, budget)
        if fits:
            ways.append(f"mesh={tuple(other.mesh)}")
    if bytes_per_weight(job.dtype)[1] > 2:
        half = dataclasses.replace(job, dtype="bfloat16")
        other, fits = best_choice(half, devices, budget, mesh)
        if fits:
            ways.append(f"dtype='bfloat16' with {other.arguments}")
    return ways
