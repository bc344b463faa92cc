"""How long a step takes on a mesh, by its arithmetic and its communication."""

from keras_gpt3.parallel.stage_layers import stage_layers
from keras_gpt3.planning.pipeline_bubble import pipeline_bubble


def step_seconds(job, mesh, micro_batches, recomputation, communication):
    """Estimates the seconds of a step.

    The products take the time that the sustained rate gives them, longer by
    what is computed again; in a pipeline by the blocks that its longest stage
    has more than the others, and by the bubble. What goes over the model axis
    or between stages is waited for. The data axis communicates beside the
    products, as far as `Links.overlap` allows.
    """
    flops = job.tokens * job.flops_per_token * (1 + recomputation)
    products = flops / (mesh.devices * job.sustained_flops)
    bubble = pipeline_bubble(mesh.stages, micro_batches)
    seconds = communication_seconds(job, mesh, communication)
    hidden = job.links.overlap * products
    return (
        products * _longest_stage(job, mesh) / (1 - bubble)
        + seconds["activations"]
        + seconds["stages"]
        + max(0.0, seconds["gradients"] + seconds["weights"] - hidden)
    )


def _longest_stage(job, mesh):
    """Blocks of the stage that has most, over the mean of all stages."""
    num_layers = job.config["num_layers"]
    most = max(map(len, stage_layers(num_layers, mesh.stages)))
    return most * mesh.stages / num_layers


def communication_seconds(job, mesh, communication):
    """Estimates the seconds of what a device sends, by the links on its way.

    Devices of a replica are consecutive, so those of the data axis that
    communicate are spread over the whole mesh.
    """
    spans = {
        "activations": mesh.model,
        "gradients": mesh.devices,
        "weights": mesh.devices,
        "stages": mesh.stages,
    }
    return {
        kind: num_bytes / job.links.bandwidth(spans[kind], mesh.devices)
        for kind, num_bytes in communication.items()
    }
