"""What a run's section `devices` makes of a machine, by backend."""

import contextlib
import dataclasses
import logging
import math

import keras

from keras_gpt3.needed_packages import needed_packages
from keras_gpt3.parallel.jax_processes import keep_tensorflow_off_gpus
from keras_gpt3.parallel.jax_processes import start_jax
from keras_gpt3.parallel.replicas import is_chief
from keras_gpt3.parallel.replicas import num_workers
from keras_gpt3.parallel.replicas import pretraining_strategy
from keras_gpt3.training.checkpoints.orbax_format import OrbaxFormat
from keras_gpt3.training.checkpoints.orbax_format import import_orbax
from keras_gpt3.training.checkpoints.tensorflow_format import TensorFlowFormat

BATCH, MODEL, STAGES = "batch", "model", "stages"
AUTO = "auto"
_logger = logging.getLogger("keras_gpt3")


class TensorFlowDevices:
    """Replicas of the model, on one machine in stages, on all workers."""

    def __init__(self, section, propose=None):
        with needed_packages("Pretraining runs must have Orbit", "pretrain"):
            import orbit  # noqa: F401
        self.num_workers = num_workers()
        if section.mesh == AUTO and self.num_workers > 1:
            # All of each worker are replicas: stages do not leave a machine.
            section = dataclasses.replace(section, mesh=None)
        elif section.mesh == AUTO:
            section = _filled_in(section, propose, _tensorflow_devices(section))
        mesh = _mesh(section, BATCH, STAGES)
        for name in ("shard_weights", "shard_optimizer"):
            if getattr(section, name):
                raise ValueError(
                    f"devices.{name} must be false on TensorFlow, whose "
                    f"replicas are whole. Received: devices.{name}=true. Set "
                    "KERAS_BACKEND=jax, or use devices.mesh with stages."
                )
        self.pipeline_stages = mesh.get(STAGES, 1)
        replicas, cpu_replicas = section.replicas, section.cpu_replicas
        if mesh:
            replicas = cpu_replicas = self._replicas_of_worker(mesh)
        self.strategy = pretraining_strategy(
            replicas, cpu_replicas, self.pipeline_stages
        )
        self.num_parts = self.strategy.num_replicas_in_sync

    def _replicas_of_worker(self, mesh):
        """Of a mesh of all workers, or `None` for all that each has."""
        alone = self.num_workers == 1
        replicas, rest = divmod(mesh.get(BATCH, 0), self.num_workers)
        if rest or (self.pipeline_stages > 1 and not alone):
            raise ValueError(
                "devices.mesh must have the same replicas for each worker of "
                f"TF_CONFIG, and one stage. Received: {_sizes(mesh)}, "
                f"{self.num_workers} workers. Use a multiple of "
                f"{self.num_workers} for batch."
            )
        return replicas or None

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        pass

    @property
    def num_devices(self):
        return self.num_parts * self.pipeline_stages

    def scope(self):
        """Where the model is made."""
        return self.strategy.scope()

    def distribute(self, make):
        """Give every replica its part of what `make` reads by parts."""

        def of_worker(context):
            here = self.num_parts // context.num_input_pipelines
            first = context.input_pipeline_id * here
            return make(self.num_parts, range(first, first + here))

        return self.strategy.distribute_datasets_from_function(of_worker)

    def micro_batch_size(self, config, grows):
        """Rows that a device computes at a time."""
        return config.model.micro_batch_size

    def checkpoint_format(self):
        """Make what writes and reads the run's arrays."""
        return TensorFlowFormat()

    def save_preset(self, model, folder):
        """Write the trained model."""
        if is_chief(self.strategy):
            model.save_to_preset(folder)

    def loop(self, model, data, batch_size, largest_batch):
        """Make what trains the model."""
        from keras_gpt3.training.run.tensorflow_loop import TensorFlowLoop

        return TensorFlowLoop(model, self.strategy, data, batch_size)


class JaxDevices:
    """A mesh of the devices of all processes, in force inside the block."""

    # What the run's parts take on TensorFlow; here JAX knows its processes.
    strategy = None
    pipeline_stages = 1

    def __init__(self, section, propose):
        import_orbax()
        import jax

        if section.replicas is not None:
            raise ValueError(
                "devices.replicas must be left out under JAX. Received: "
                f"devices.replicas={section.replicas}. Use devices.mesh: "
                f"{{batch: {section.replicas}, model: 1}}."
            )
        is_auto = section.mesh == AUTO
        mesh = {} if is_auto else _mesh(section, BATCH, MODEL)
        keep_tensorflow_off_gpus()
        start_jax(section.cpu_replicas or math.prod(mesh.values()))
        names = keras.distribution.list_devices()
        most = len(names)
        if jax.default_backend() == "cpu" and section.cpu_replicas is not None:
            most = section.cpu_replicas
        if is_auto:
            section = _filled_in(section, propose, most)
            mesh = section.mesh
        model = mesh.get(MODEL, 1)
        sizes = mesh.get(BATCH, max(1, most // model)), model
        self.num_parts, self.num_devices = sizes[0], sizes[0] * sizes[1]
        self.num_workers = jax.process_count()
        several = self.num_workers > 1
        if self.num_devices > len(names) or (
            several and self.num_devices != len(names)
        ):
            raise ValueError(
                "devices.mesh must have the devices that there are. Received: "
                f"batch={sizes[0]}, model={sizes[1]}, devices={len(names)} of "
                f"{self.num_workers} processes. Use a mesh of "
                f"{len(names)} devices."
            )
        self._distribution = None
        if self.num_devices > 1:
            self._distribution = _distribution(
                sizes, names[: self.num_devices], section
            )

    def __enter__(self):
        self._before = keras.distribution.distribution()
        keras.distribution.set_distribution(self._distribution)
        return self

    def __exit__(self, *exception):
        keras.distribution.set_distribution(self._before)

    def scope(self):
        """Where the model is made."""
        return contextlib.nullcontext()

    @property
    def own_parts(self):
        """The parts of a batch that this process' devices have."""
        import jax

        if self._distribution is None:
            return [0]
        mesh = self._distribution.device_mesh.backend_mesh
        spread = jax.sharding.NamedSharding(
            mesh, jax.sharding.PartitionSpec(BATCH)
        )
        places = spread.addressable_devices_indices_map((self.num_parts,))
        return sorted({index[0].start or 0 for index in places.values()})

    def distribute(self, make):
        """Give this process its parts of what `make` reads."""
        return make(self.num_parts, self.own_parts)

    def micro_batch_size(self, config, grows):
        """Rows computed at a time; a batch that grows has micro-batches."""
        size = config.model.micro_batch_size
        if size is None and grows:
            return config.recipe.batch_multiple // self.num_parts
        return size

    def checkpoint_format(self):
        """Make what writes and reads the run's arrays."""
        return OrbaxFormat()

    def save_preset(self, model, folder):
        """Write the trained model, of which each process has a part."""
        if self.num_workers > 1:
            _bring_to_first_process(model)
        if is_chief(None):
            model.save_to_preset(folder)

    def loop(self, model, data, batch_size, largest_batch):
        """Make what trains the model."""
        from keras_gpt3.training.run.jax_loop import JaxLoop

        parts = self.num_parts, self.own_parts
        return JaxLoop(model, data, parts, batch_size, largest_batch)


def _bring_to_first_process(model):
    """Give the first process all weights on its CPU; the run is over."""
    import jax
    from jax.experimental import multihost_utils

    (cpu, *_) = jax.local_devices(backend="cpu")
    for weight in model.weights:
        whole = multihost_utils.process_allgather(weight.value, tiled=True)
        if is_chief(None):
            weight._layout = None
            weight._value = jax.device_put(whole, cpu)


def run_devices(section, propose=None):
    """Make the devices of a run, on the backend that Keras runs on.

    `propose` chooses fields of the section where its mesh is `"auto"`, from
    how many devices there are.
    """
    kinds = {"tensorflow": TensorFlowDevices, "jax": JaxDevices}
    return kinds[keras.config.backend()](section, propose)


def _filled_in(section, propose, num_devices):
    """The section with what is proposed for `mesh: auto`, which is logged."""
    for name in ("shard_weights", "shard_optimizer"):
        if getattr(section, name):
            raise ValueError(
                f"devices.{name} must be left out with devices.mesh: auto, "
                f"which chooses it. Received: devices.{name}=true. Leave it "
                "out, or give the sizes of the mesh."
            )
    found = propose(num_devices)
    _logger.info("devices.mesh: auto is %s", found)
    return dataclasses.replace(
        section, replicas=None, cpu_replicas=None, **found
    )


def _tensorflow_devices(section):
    """How many devices of this machine a run has."""
    import tensorflow as tf

    gpus = tf.config.get_visible_devices("GPU")
    return section.replicas or len(gpus) or section.cpu_replicas or 1


def _mesh(section, *known):
    """Sizes of the axes that a config gives, of those that a backend has."""
    mesh = section.mesh or {}
    other = {
        STAGES: "Set KERAS_BACKEND=tensorflow, or use a model axis.",
        MODEL: "Set KERAS_BACKEND=jax, or use stages.",
    }
    for axis, size in mesh.items():
        if axis not in known and size != 1:
            raise ValueError(
                f"devices.mesh must have the axes {' and '.join(known)} on "
                f"{keras.config.backend()}. Received: {axis}={size}. "
                f"{other.get(axis, 'Leave it out.')}"
            )
    for name in ("replicas", "cpu_replicas"):
        if mesh and getattr(section, name) is not None:
            raise ValueError(
                f"devices.{name} must be left out beside the sizes of "
                f"devices.mesh. Received: devices.{name}="
                f"{getattr(section, name)}, {_sizes(mesh)}. Use one of them."
            )
    return mesh


def _sizes(mesh):
    return ", ".join(f"{axis}={size}" for axis, size in mesh.items())


def _distribution(sizes, names, section):
    from keras_gpt3.parallel.layout_map import make_layout_map

    mesh = keras.distribution.DeviceMesh(sizes, (BATCH, MODEL), names)
    layouts = make_layout_map(
        mesh, BATCH, MODEL, section.shard_optimizer, section.shard_weights
    )
    return keras.distribution.ModelParallel(
        layout_map=layouts, batch_dim_name=BATCH
    )
