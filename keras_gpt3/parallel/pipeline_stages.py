"""Which blocks and devices are the stages of a pipeline. TensorFlow only."""

import contextlib
import dataclasses

from keras_gpt3.integer_argument import check_integer


@dataclasses.dataclass(frozen=True)
class PipelineStage:
    """Consecutive blocks of a model, and where they lie.

    Args:
        blocks: tuple of `DecoderBlock`.
        devices: tuple of strings. Names of devices, one for each replica.
    """

    blocks: tuple
    devices: tuple

    @property
    def device(self):
        """The name of the device of the replica that asks."""
        return self.blocks[0].variables[0].value.device


def check_num_stages(value):
    """Raises unless there can be so many stages on this backend.

    Args:
        value: what `GPT3.compile` was given.

    Raises:
        ValueError: If it is no integer of at least 1, or above 1 where Keras
            runs on another backend than TensorFlow.
    """
    import keras

    check_integer("pipeline_stages", value, minimum=1)
    if value > 1 and keras.config.backend() != "tensorflow":
        raise ValueError(
            "pipeline_stages must be 1 on another backend than TensorFlow. "
            f"Received: pipeline_stages={value}. Use "
            "GPT3Backbone.get_layout_map with keras.distribution there."
        )


def assign_stages(blocks, num_stages, strategy):
    """Divides blocks into stages, and gives each of them its devices.

    The sizes of the stages differ by at most one block. The first ones are the
    smaller ones: the first device has the embeddings and the loss, too.

    Args:
        blocks: list of `DecoderBlock`.
        num_stages: int, as `check_num_stages` lets pass.
        strategy: `tf.distribute.MirroredStrategy` of the model, whose devices
            are those of the first stage, or `None`.

    Returns:
        A tuple of `PipelineStage`.

    Raises:
        ValueError: If there are fewer blocks than stages or fewer devices than
            stages and replicas need, or the strategy is another one.

    Example:

    ```python
    import keras
    import keras_gpt3
    from keras_gpt3.parallel.pipeline_stages import assign_stages

    model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=2)
    if keras.config.backend() == "tensorflow":
        (stage,) = assign_stages(model.backbone.decoder_blocks, 1, None)
        len(stage.blocks)  # 2
    ```
    """
    if num_stages > len(blocks):
        raise ValueError(
            "pipeline_stages must be at most the number of blocks. Received: "
            f"pipeline_stages={num_stages}, num_layers={len(blocks)}. Use "
            "fewer stages."
        )
    devices = _devices(num_stages, strategy)
    stages, first = [], 0
    for index, names in enumerate(devices):
        # (L + p) // P, summed over the stages p, is L.
        end = first + (len(blocks) + index) // num_stages
        stages.append(PipelineStage(tuple(blocks[first:end]), names))
        first = end
    return tuple(stages)


def lies_on_stages(blocks):
    """Whether blocks lie on the devices of several stages.

    Args:
        blocks: list of `DecoderBlock`.

    Returns:
        A bool.
    """
    return blocks[0].device_scope is not contextlib.nullcontext


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
