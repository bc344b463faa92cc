"""Which blocks and devices are the stages of a pipeline. TensorFlow only."""

import dataclasses

from keras_gpt3.backend_check import require_backend
from keras_gpt3.integer_argument import check_integer
from keras_gpt3.parallel.stage_layers import stage_layers


@dataclasses.dataclass(frozen=True)
class PipelineStage:
    """Consecutive blocks of a model, and where they lie."""

    blocks: tuple
    devices: tuple

    @property
    def device(self):
        """The name of the device of the replica that asks."""
        return self.blocks[0].variables[0].value.device


def check_num_stages(value):
    """Raises unless there can be so many stages on this backend."""
    check_integer("pipeline_stages", value, minimum=1)
    if value > 1:
        require_backend(
            "tensorflow",
            f"A model of pipeline_stages={value}",
            "Use GPT3Backbone.get_layout_map with keras.distribution there.",
        )


def assign_stages(blocks, num_stages, strategy):
    """Divides blocks into stages, and gives each of them its devices.

    The blocks of a stage are those of `stage_layers`.
    """
    if num_stages > len(blocks):
        raise ValueError(
            "pipeline_stages must be at most the number of blocks. Received: "
            f"pipeline_stages={num_stages}, num_layers={len(blocks)}. Use "
            "fewer stages."
        )
    layers = stage_layers(len(blocks), num_stages)
    devices = _devices(num_stages, strategy)
    return tuple(
        PipelineStage(tuple(blocks[i] for i in own), names)
        for own, names in zip(layers, devices, strict=True)
    )


def lies_on_stages(blocks):
    """Whether blocks lie on the devices of several stages."""
    return blocks[0].device_scope is not None


def _devices(num_stages, strategy):
    """The devices of each stage, by replica: those of a kind, in order."""
    import tensorflow as tf

    if strategy is None:
        kind = "GPU" if tf.config.list_logical_devices("GPU") else "CPU"
        first = [f"/device:{kind}:0"]
    elif isinstance(strategy, tf.distribute.MirroredStrategy):
        first = [_short(name) for name in strategy.extended.worker_devices]
        kind = tf.DeviceSpec.from_string(first[0]).device_type
    else:
        raise ValueError(
            "pipeline_stages must be 1 under another strategy than "
            f"MirroredStrategy. Received: pipeline_stages={num_stages}, "
            f"strategy={type(strategy).__name__}. Use "
            "keras_gpt3.parallel.mirrored_strategy, or no strategy."
        )
    others = [_short(d.name) for d in tf.config.list_logical_devices(kind)]
    others = [name for name in others if name not in first]
    replicas = len(first)
    if len(others) < (num_stages - 1) * replicas:
        raise ValueError(
            f"pipeline_stages must be at most the number of {kind} devices "
            f"for each replica. Received: pipeline_stages={num_stages}, "
            f"devices={len(others) + replicas}, replicas={replicas}. Use fewer "
            "stages or replicas; CPU devices can only be split before "
            "TensorFlow first uses them."
        )
    names = first + others
    return [
        tuple(names[stage * replicas : (stage + 1) * replicas])
        for stage in range(num_stages)
    ]


def _short(name):
    """The name of a device of this machine, such as `"/device:GPU:1"`."""
    import tensorflow as tf

    spec = tf.DeviceSpec.from_string(name)
    return f"/device:{spec.device_type}:{spec.device_index}"
