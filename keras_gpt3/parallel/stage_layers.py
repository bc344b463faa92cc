"""How the blocks of a model are divided into the stages of a pipeline."""

import itertools


def stage_layers(num_layers, stages):
    """Divides blocks into stages whose sizes differ by at most one.

    The first stages are the smaller ones: the first device also has
    the embeddings and the loss.
    """
    # (L + p) // P, summed over the stages p, is L.
    sizes = [(num_layers + stage) // stages for stage in range(stages)]
    ends = [0, *itertools.accumulate(sizes)]
    return [range(*ends[stage : stage + 2]) for stage in range(stages)]
