"""Which blocks and devices are the stages of a pipeline. TensorFlow only."""

import dataclasses

from keras_gpt3.backend_check import require_backend
from keras_gpt3.integer_argument import check_integer
from keras_gpt3.parallel.stage_layers import stage_layers


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
        ValueError: If it is no integer of at least 1.
        NotImplementedError: If it is above 1 where Keras runs on another
            backend than TensorFlow.

    Example:

    ```python
    from keras_gpt3.parallel.pipeline_stages import check_num_stages

    check_num_stages(1)
    ```
    """
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
    layers = stage_layers(len(blocks), num_stages)
    devices = _devices(num_stages, strategy)
    return tuple(
        PipelineStage(tuple(blocks[i] for i in own), names)
        for own, names in zip(layers, devices, strict=True)
    )


def lies_on_stages(blocks):
    """Whether blocks lie on the devices of several stages.

    Args:
        blocks: list of `DecoderBlock`.

    Returns:
        A bool.

    Example:

    ```python
    import keras_gpt3
    from keras_gpt3.parallel.pipeline_stages import lies_on_stages

    backbone = keras_gpt3.GPT3Backbone(
        vocabulary_size=100, num_layers=2, num_heads=2, hidden_dim=16,
        intermediate_dim=64, max_sequence_length=32,
    )
    lies_on_stages(backbone.decoder_blocks)  # False
    ```
    """
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
