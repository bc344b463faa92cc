"""What part of a model each device of a mesh has."""

import dataclasses

from keras_gpt3.planning.weight_shards import WeightShards


@dataclasses.dataclass(frozen=True)
class DeviceShare:
    """What part of the model a device of a mesh has."""

    model: int
    held: WeightShards
    used: WeightShards
    slots: WeightShards

    @classmethod
    def of(cls, config, mesh, shard_optimizer=False, shard_weights=False):
        """Follows the arguments of `GPT3Backbone.get_layout_map`."""
        used = WeightShards.of(config, mesh.model)
        spread = used
        if shard_optimizer or shard_weights:
            spread = WeightShards.of(config, mesh.model, mesh.data)
        held = spread if shard_weights else used
        return cls(mesh.model, held, used, spread)

    @classmethod
    def whole(cls, config):
        """The share of a device that has the whole model."""
        weights = WeightShards.of(config)
        return cls(1, weights, weights, weights)

    @property
    def is_fetched(self):
        """Whether weights come from other devices when they are used."""
        return self.held != self.used
