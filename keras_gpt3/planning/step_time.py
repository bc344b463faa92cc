"""How long a step takes on a mesh, by its arithmetic and its communication."""

from keras_gpt3.parallel.step_division import micro_batch_groups
from keras_gpt3.parallel.step_division import stage_layers
from keras_gpt3.planning.memory import FLOAT32_BYTES
from keras_gpt3.planning.tensorflow_memory import stage_weights


def step_seconds(job, mesh, micro_batches, recomputation, communication):
    """Estimate the seconds of a step.

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


def pipeline_bubble(stages, micro_batches):
    """The share of a step in which a stage waits for the others.

    Micro-batches go in groups, each forward and then backward through the P
    stages. In a group of M the first reaches the last stage when that has
    waited for P - 1 others: for `(P - 1) / (M + P - 1)` of the time.
    """
    number, each = micro_batch_groups(stages, micro_batches)
    # What the last group lacks is waited for as well.
    return 1 - micro_batches / (number * (each + stages - 1))


def _longest_stage(job, mesh):
    """Blocks of the stage that has most, over the mean of all stages."""
    num_layers = job.config["num_layers"]
    most = max(map(len, stage_layers(num_layers, mesh.stages)))
    return most * mesh.stages / num_layers


def communication_seconds(job, mesh, communication):
    """Estimate the seconds of what a device sends, by the links on its way.

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


# How many bytes each device of a mesh sends in a step.
#
# A ring of n devices adds up an array with 2 (n - 1) / n of its bytes from each
# of them; it gathers or scatters one with half of that.


# Sums over the model axis, of an activation of a micro-batch. In a block: what
# comes out of attention and of the feed-forward layer, and their gradients;
# when it is computed again, the first alone, as nothing needs the second.
_SUMS_OF_BLOCK = 4
_SUMS_OF_RECOMPUTED = 1
# The lookup in the token embedding, and the gradient that comes out of the
# head.
_SUMS_OUTSIDE = 2
# Float32 numbers a token in the loss: the largest logit, the sum of the
# exponentials, the logit of the label, and which one is the largest.
_LOSS_NUMBERS = 4

# Weights are gathered forward, and again backward.
_GATHERS_OF_MICRO_BATCH = 2
# A stage sends what it computes forward, and its gradient backward. The last
# one sends to the first, which has the head.
_SENDS_OF_MICRO_BATCH = 2


def communication_bytes(mesh, share, sizes, micro_batches):
    """Compute what a device sends in a step."""
    activation = sizes.tokens * sizes.hidden_dim * sizes.activation_bytes
    sent = _activations(mesh, sizes, activation)
    num_weights = share.used.total
    if mesh.stages > 1:
        num_weights = stage_weights(share, mesh.stages)
    staged = _SENDS_OF_MICRO_BATCH * activation * (mesh.stages > 1)
    return {
        "activations": micro_batches * sent,
        "gradients": num_weights
        * _gradients(mesh, share, sizes, micro_batches),
        "weights": num_weights * _weights(mesh, share, sizes, micro_batches),
        "stages": micro_batches * staged,
    }


def _ring(devices):
    """The share of an array's bytes that a gather or scatter sends."""
    return (devices - 1) / devices


def _activations(mesh, sizes, activation):
    sums = (
        _SUMS_OF_BLOCK * len(sizes.recomputed)
        + _SUMS_OF_RECOMPUTED * sum(sizes.recomputed)
        + _SUMS_OUTSIDE
    )
    loss = _LOSS_NUMBERS * FLOAT32_BYTES * sizes.tokens
    return 2 * _ring(mesh.model) * (sums * activation + loss)


def _gradients(mesh, share, sizes, micro_batches):
    """Bytes for each weight.

    Once a step; of weights that the data axis shares, once a micro-batch, but
    scattered only.
    """
    of_sum = sizes.weight_bytes
    if micro_batches > 1 and not share.is_fetched:
        of_sum = sizes.sum_bytes
    rounds = micro_batches if share.is_fetched else 2
    return _ring(mesh.data) * rounds * of_sum


def _weights(mesh, share, sizes, micro_batches):
    """Bytes for each weight.

    As it is used; or after its update, by the device that has the slots.
    """
    if share.is_fetched:
        rounds = _GATHERS_OF_MICRO_BATCH * micro_batches
        num_bytes = rounds * sizes.activation_bytes
    else:
        num_bytes = sizes.weight_bytes * (share.slots != share.held)
    return _ring(mesh.data) * num_bytes
