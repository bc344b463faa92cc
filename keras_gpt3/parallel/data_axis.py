"""Over how many devices a batch is spread, as `keras.distribution` says."""

import keras


def num_data_shards():
    """Counts the parts of a batch, each of which has devices of its own."""
    distribution = keras.distribution.distribution()
    if distribution is None:
        return 1
    mesh = distribution.device_mesh
    return mesh.shape[mesh.axis_names.index(distribution.batch_dim_name)]


def check_shards_divide(num_shards, rows):
    """Raises unless the rows of a batch divide among the parts."""
    if rows % num_shards:
        raise ValueError(
            "The batch axis of the mesh must divide the rows of a batch. "
            f"Received: rows={rows}, batch_axis={num_shards}. Use a batch "
            f"size of {num_shards * (rows // num_shards + 1)}, or drop the "
            "batch that is not full."
        )
