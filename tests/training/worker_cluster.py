"""Starts `keras-gpt3 pretrain` as workers of a cluster on this machine."""

import json
import os
import socket
import subprocess
import sys

PROGRAM = "from keras_gpt3.cli.main import app; app()"


def free_ports(number):
    """Ports that nobody listens at, a list of ints."""
    sockets = [socket.socket() for _ in range(number)]
    for each in sockets:
        each.bind(("localhost", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def start_worker(config, log, ports=(), index=0, backend="tensorflow"):
    """Starts one process of a run; its output goes to a file.

    Args:
        config: path. The run's YAML file.
        log: path. Appended to.
        ports: list of ints, one a worker; without any the run is alone.
        index: int. Which worker this is.
        backend: string. Keras' backend.

    Returns:
        A `subprocess.Popen`.
    """
    environment = dict(os.environ, TF_CPP_MIN_LOG_LEVEL="3")
    environment.pop("TF_CONFIG", None)
    environment["KERAS_BACKEND"] = backend
    workers = [f"localhost:{port}" for port in ports]
    if backend == "jax":
        # Each process has devices of its own: not those of the tests.
        environment |= {"XLA_FLAGS": "", "JAX_PLATFORMS": "cpu"}
    if backend == "jax" and ports:
        environment |= {
            "KERAS_DISTRIBUTION_JOB_ADDRESSES": ",".join(workers),
            "KERAS_DISTRIBUTION_NUM_PROCESSES": str(len(ports)),
            "KERAS_DISTRIBUTION_PROCESS_ID": str(index),
        }
    elif ports:
        task = {"type": "worker", "index": index}
        environment["TF_CONFIG"] = json.dumps(
            {"cluster": {"worker": workers}, "task": task}
        )
    with open(log, "ab") as file:
        return subprocess.Popen(
            [sys.executable, "-c", PROGRAM, "pretrain", "--config", config],
            env=environment,
            stdout=file,
            stderr=file,
        )
