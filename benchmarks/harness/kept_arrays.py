"""What a training step keeps for its backward pass, read from its graph."""

import collections


def kept_score_arrays(graph, length):
    """Arrays of all (T, T) scores that gradient operations read.

    Args:
        graph: `tf.Graph` of a training step with known shapes. Operations of
            the backward pass have `gradient_tape` in their names.
        length: int. T, a number that no other dimension has.

    Returns:
        A dict from operation type and dtype, such as `"Softmax float32"`, to
        `[count, bytes]`, over all layers.
    """
    kept = collections.defaultdict(lambda: [0, 0])
    for operation in graph.get_operations():
        if _is_backward(operation):
            continue
        for tensor in operation.outputs:
            scores = tuple(tensor.shape[-2:]) == (length, length)
            if scores and any(map(_is_backward, tensor.consumers())):
                entry = kept[f"{operation.type} {tensor.dtype.name}"]
                entry[0] += 1
                entry[1] += tensor.shape.num_elements() * tensor.dtype.size
    return dict(kept)


def _is_backward(operation):
    return "gradient_tape" in operation.name
