"""Over how many devices a batch is spread, as `keras.distribution` says."""

import keras


def num_data_shards():
    """Counts the parts of a batch, each of which has devices of its own.

    Returns:
        An int, 1 without a distribution.

    Example:

    ```python
    from keras_gpt3.parallel.data_axis import num_data_shards

    num_data_shards()  # 1
    ```
    """
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    mesh = distribution.device_mesh
    return mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]


def check_shards_divide(num_shards, rows):
    """Raises unless the rows of a batch divide among the parts.

    Args:
        num_shards: int. What `num_data_shards` counts.
        rows: int. Rows of the global batch.

    Raises:
        ValueError: If they do not.

    Example:

    ```python
    from keras_gpt3.parallel.data_axis import check_shards_divide

    check_shards_divide(num_shards=2, rows=8)
    ```
    """
    if rows % num_shards:
        raise ValueError(
            "The batch axis of the mesh must divide the rows of a batch. "
            f"Received: rows={rows}, batch_axis={num_shards}. Use a batch "
            f"size of {num_shards * (rows // num_shards + 1)}, or drop the "
            "batch that is not full."
        )
