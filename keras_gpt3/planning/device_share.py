"""What part of a model each device of a mesh has."""

import dataclasses
import math
import re

from keras_gpt3.parallel.layout_rules import DATA
from keras_gpt3.parallel.layout_rules import LAYOUT_RULES
from keras_gpt3.parallel.layout_rules import MODEL
from keras_gpt3.parallel.layout_rules import padded_rows
from keras_gpt3.planning.parameter_count import shapes_of_one_block

_TABLE = "token_embedding/embeddings"
_BLOCK = "decoder_block_0/"


@dataclasses.dataclass(frozen=True)
class WeightShards:
    """The weights that one device holds, as numbers of them."""

    block: int
    largest: int
    table: int
    rest: int
    num_layers: int

    @classmethod
    def of(cls, config, model=1, data=1):
        """Count the weights by the layouts that `get_layout_map` gives."""
        shapes = shapes_of_one_block(config)
        rows = padded_rows(config["vocabulary_size"], model)
        shapes[_TABLE] = (rows, *shapes[_TABLE][1:])
        axes = {MODEL: model, DATA: data}
        counts = {
            path: _count_on_device(path, shape, axes)
            for path, shape in shapes.items()
        }
        block = [n for path, n in counts.items() if path.startswith(_BLOCK)]
        return cls(
            block=sum(block),
            largest=max(block),
            table=counts[_TABLE],
            rest=sum(counts.values()) - sum(block) - counts[_TABLE],
            num_layers=config["num_layers"],
        )

    @property
    def total(self):
        """All weights of the device, an int."""
        return self.num_layers * self.block + self.table + self.rest


def data_axis_divides(config, data):
    """Whether a data axis can share the weights: it must divide their width."""
    width = config["hidden_dim"]
    embedding = config.get("embedding_dim") or width
    return width % data == 0 and embedding % data == 0


def _count_on_device(path, shape, axes):
    count = math.prod(shape)
    for pattern, kinds in LAYOUT_RULES.items():
        if re.fullmatch(pattern, path):
            return count // math.prod(axes.get(kind, 1) for kind in kinds)
    return count


@dataclasses.dataclass(frozen=True)
class DeviceShare:
    """What part of the model a device of a mesh has."""

    model: int
    held: WeightShards
    used: WeightShards
    slots: WeightShards

    @classmethod
    def of(cls, config, mesh, shard_optimizer=False, shard_weights=False):
        """Follow the arguments of `GPT3Backbone.get_layout_map`."""
        used = WeightShards.of(config, mesh.model)
        spread = used
        if shard_optimizer or shard_weights:
            spread = WeightShards.of(config, mesh.model, mesh.data)
        held = spread if shard_weights else used
        return cls(mesh.model, held, used, spread)

    @property
    def is_fetched(self):
        """Whether weights come from other devices when they are used."""
        return self.held != self.used
