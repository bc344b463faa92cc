"""How devices are arranged: replicas, parts of a layer, parts of the depth."""

import math
import numbers
from typing import NamedTuple

from keras_gpt3.argument_checks import echoed


class Mesh(NamedTuple):
    """A mesh of devices along three axes.

    `data` replicas each take a part of the batch. Within a replica either
    `model` devices share each layer (Keras' JAX backend), or `stages` of
    consecutive blocks follow each other (the TensorFlow backend). No program
    does both, as no backend does.

    Args:
        data: int. Replicas of the model.
        model: int. Devices that share each layer of a replica. Defaults to
            `1`.
        stages: int. Devices that a replica's blocks are spread over. Defaults
            to `1`.

    Example:

    ```python
    from keras_gpt3.planning import Mesh

    Mesh(data=128, model=8).devices  # 1024
    ```
    """

    data: int
    model: int = 1
    stages: int = 1

    @property
    def devices(self):
        """The number of devices, an int."""
        return math.prod(self)

    def __str__(self):
        return " x ".join(map(str, self))


def divisors(number):
    """Find the divisors of a number, the largest first."""
    return [d for d in range(number, 0, -1) if number % d == 0]


def model_axes(config):
    """The sizes that a model axis can have: common divisors."""
    common = math.gcd(config["num_heads"], config["intermediate_dim"])
    return divisors(common)[::-1]


def meshes(config, devices, node_devices, backend=None):
    """All meshes of some devices that a model can run on.

    Of a backend that is given, those that it has the axes of.
    """
    shared = [Mesh(devices // n, n) for n in model_axes(config)]
    most = config["num_layers"] if devices <= node_devices else 1
    stages = range(2, most + 1)
    staged = [Mesh(devices // n, 1, n) for n in stages]
    return [
        mesh
        for mesh in shared + staged
        if mesh.devices == devices and _runs_on(mesh, backend)
    ]


def _runs_on(mesh, backend):
    """Whether a backend has the axes; with `None`, one of them does."""
    other = {"jax": mesh.stages, "tensorflow": mesh.model}
    return other.get(backend, 1) == 1


def check_mesh(mesh, config, devices=None, node_devices=None, backend=None):
    """Raise unless a model can run on a mesh."""
    mesh = _read(mesh)
    if devices is not None:
        _check_devices(mesh, devices)
    _check_backend(mesh, backend)
    _check_model_axis(mesh, config)
    if mesh.stages > config["num_layers"]:
        raise ValueError(
            "stages must be at most the number of blocks. Received: stages="
            f"{mesh.stages}, num_layers={config['num_layers']}. Use "
            f"{config['num_layers']} or fewer."
        )
    if mesh.stages > 1 and node_devices and mesh.devices > node_devices:
        raise ValueError(
            "stages must be 1 where devices are in several machines, as "
            f"MirroredStrategy is for one. Received: mesh={tuple(mesh)}, "
            f"node_devices={node_devices}. Use a model axis."
        )
    return mesh


def _read(mesh):
    try:
        sizes = tuple(mesh)
    except TypeError:
        sizes = ()
    whole = [
        isinstance(n, numbers.Integral) and not isinstance(n, bool) and n >= 1
        for n in sizes
    ]
    if len(sizes) != 3 or not all(whole):
        raise ValueError(
            "mesh must be three integers of at least 1: data, model and "
            f"stages. Received: mesh={echoed(mesh)}. Write it as (8, 1, 1)."
        )
    return Mesh(*map(int, sizes))


def _check_devices(mesh, devices):
    if mesh.devices != devices:
        raise ValueError(
            "mesh must multiply to devices. Received: mesh="
            f"{tuple(mesh)}, which are {mesh.devices}, devices={devices}. Use "
            f"devices={mesh.devices}, or another mesh."
        )


def _check_backend(mesh, backend):
    if mesh.model > 1 and mesh.stages > 1:
        raise ValueError(
            "mesh must have a model axis or stages, not both: the first runs "
            f"on JAX, the second on TensorFlow. Received: mesh={tuple(mesh)}. "
            f"Use ({mesh.data * mesh.stages}, {mesh.model}, 1) or "
            f"({mesh.data * mesh.model}, 1, {mesh.stages})."
        )
    if not _runs_on(mesh, backend):
        other = {"jax": "tensorflow", "tensorflow": "jax"}[backend]
        raise ValueError(
            "mesh must have axes of the backend: a model axis runs on JAX, "
            f"stages on TensorFlow. Received: mesh={tuple(mesh)}, backend="
            f"'{backend}'. Use backend='{other}', or another mesh."
        )


def _check_model_axis(mesh, config):
    possible = model_axes(config)
    if mesh.model not in possible:
        raise ValueError(
            "The model axis must divide num_heads and intermediate_dim. "
            f"Received: model={mesh.model}, num_heads={config['num_heads']}, "
            f"intermediate_dim={config['intermediate_dim']}. Use one of "
            f"{possible}."
        )
