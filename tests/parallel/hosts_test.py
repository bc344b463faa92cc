"""Several processes, each with some of the devices of a mesh."""

import concurrent.futures
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from tests.parallel.meshes import assert_same_weights
from tests.parallel.meshes import batches
from tests.parallel.meshes import new_model
from tests.parallel.meshes import weight_values
from tests.small_gpt3 import ROWS

pytestmark = [
    pytest.mark.backend("jax", reason="`jax.distributed`"),
    pytest.mark.slow,
]

STEPS = 5
DEVICES_OF_A_HOST = 2
# Each process trains on the same dataset, of which Keras gives it its part.
HOST = """
import sys
import keras

address, number, folder = sys.argv[1:]
keras.distribution.initialize(address, 2, int(number))
import numpy as np
import tensorflow as tf
from jax.experimental import multihost_utils
from keras_gpt3.training import ShardedCheckpoint
from keras_gpt3.training import restore_sharded_checkpoint
from tests.parallel import hosts_test, meshes

dataset = tf.data.Dataset.from_tensor_slices(meshes.batches(hosts_test.STEPS))
with meshes.distributed((2, 2)):
    model = meshes.new_model()
    model.fit(
        dataset.batch(meshes.ROWS, drop_remainder=True),
        steps_per_epoch=hosts_test.STEPS,
        callbacks=[ShardedCheckpoint(folder)],
        verbose=0,
    )
    for variable in model.weights:
        variable.assign(keras.ops.zeros(variable.shape))
    step = restore_sharded_checkpoint(model, folder)
    assert step == hosts_test.STEPS, step
for variable in model.weights:
    # The parts of the other process are brought here, to be compared.
    whole = multihost_utils.process_allgather(variable.value, tiled=True)
    variable._layout, variable._value = None, whole
if number == "0":
    np.savez(f"{folder}/weights.npz", **meshes.weight_values(model))
"""


def free_address():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{listener.getsockname()[1]}"


def errors_of(hosts):
    """What processes write to stderr until one fails or all end."""
    with concurrent.futures.ThreadPoolExecutor(len(hosts)) as pool:
        ends = [pool.submit(host.communicate) for host in hosts]
        for end in concurrent.futures.as_completed(ends):
            end.result()
            if hosts[ends.index(end)].returncode:
                for host in hosts:
                    host.kill()
        return [end.result()[1] for end in ends]


def test_two_hosts_give_and_restore_the_weights_of_one_device(tmp_path):
    address = free_address()
    # The last one counts.
    flags = os.environ["XLA_FLAGS"] + (
        f" --xla_force_host_platform_device_count={DEVICES_OF_A_HOST}"
    )
    hosts = [
        subprocess.Popen(
            [sys.executable, "-c", HOST, address, str(number), tmp_path],
            env=os.environ | {"XLA_FLAGS": flags},
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    try:
        model = new_model()
        x, y = batches(STEPS)
        model.fit(x, y, batch_size=ROWS, verbose=0)
        for host, errors in zip(hosts, errors_of(hosts), strict=True):
            assert host.returncode == 0, errors
    finally:
        for host in hosts:
            host.kill()  # One that waits for another that failed.
            host.wait()
    with np.load(tmp_path / "weights.npz") as weights:
        assert_same_weights(dict(weights), weight_values(model))
