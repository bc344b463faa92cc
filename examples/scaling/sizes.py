"""The sizes that are trained, for how long, and at which learning rate."""

import dataclasses

import numpy as np

from keras_gpt3.planning.parameter_count import count_parameters
from keras_gpt3.preset_loader import load_shipped_preset
from keras_gpt3.preset_loader import shipped_presets

# Kaplan et al. 2020, table 6: with compute C the best size grows as C^0.73,
# and what it is to read as C^0.27.
TOKENS_EXPONENT = 0.27 / 0.73


@dataclasses.dataclass(frozen=True)
class Size:
    """One size of model: how it differs from a preset, and its seeds."""

    name: str
    overrides: dict = dataclasses.field(default_factory=dict)
    seeds: int = 1
    preset: str = "gpt3_small_en"


@dataclasses.dataclass(frozen=True)
class Sweep:
    """Sizes, and what they share."""

    sizes: tuple
    num_merges: int  # Of GPT-2's, in the vocabulary.
    sequence_length: int
    most_tokens: float  # That the largest reads.
    batch_tokens: int
    micro_batch_size: int | None = None
    dtype: str = "mixed_bfloat16"

    def overrides(self, size):
        """What differs from the preset, the vocabulary included."""
        return size.overrides | {
            # Of bytes and of the end of text there are 257.
            "vocabulary_size": 257 + self.num_merges,
            "max_sequence_length": self.sequence_length,
        }

    def parameters(self, size):
        """Counts those of a size without embeddings, as Figure 3.1 does."""
        return _without_embeddings(size.preset, self.overrides(size))

    def tokens(self, size):
        """The length of a run: each size is the best for its compute."""
        largest = max(map(self.parameters, self.sizes))
        share = self.parameters(size) / largest
        return self.most_tokens * share**TOKENS_EXPONENT

    def learning_rate(self, size):
        """Continues the power law through the eight rates of Table 2.1."""
        presets = list(shipped_presets())
        sizes = np.log([_without_embeddings(name, {}) for name in presets])
        recipes = [load_shipped_preset(name)["recipe"] for name in presets]
        rates = np.log([recipe["learning_rate"] for recipe in recipes])
        slope, constant = np.polyfit(sizes, rates, 1)
        log_size = np.log(self.parameters(size))
        return float(np.exp(constant + slope * log_size))


def _without_embeddings(preset, overrides):
    arguments = load_shipped_preset(preset)["backbone"] | overrides
    parts = count_parameters(arguments)
    return sum(n for part, n in parts.items() if "embedding" not in part)


def _small(num_layers, num_heads, width, seeds=1):
    overrides = {
        "num_layers": num_layers,
        "num_heads": num_heads,
        "hidden_dim": width,
        "intermediate_dim": 4 * width,
        "attention_window": 64,
    }
    return Size(f"{num_layers}x{width}", overrides, seeds)


CPU = Sweep(
    (
        _small(2, 2, 24, seeds=3),
        _small(2, 2, 40, seeds=3),
        _small(3, 4, 64, seeds=3),
        _small(4, 4, 96, seeds=2),
        _small(5, 4, 160),
        _small(6, 4, 256),
        _small(8, 8, 320),
    ),
    num_merges=8000,
    sequence_length=256,
    most_tokens=6e6,
    batch_tokens=2048,
)
QUICK = dataclasses.replace(
    CPU,
    sizes=(_small(2, 2, 24), _small(3, 4, 64), _small(4, 4, 96)),
    most_tokens=1.5e6,
)
# For whoever has GPUs, and 30 billion tokens: 20 a parameter of the largest.
GPU = Sweep(
    (
        Size("small", preset="gpt3_small_en"),
        Size("medium", preset="gpt3_medium_en"),
        Size("large", preset="gpt3_large_en"),
        Size("extra_large", preset="gpt3_extra_large_en"),
    ),
    num_merges=50_000,
    sequence_length=2048,
    most_tokens=26e9,
    batch_tokens=524_288,
    micro_batch_size=8,
)
SWEEPS = {"cpu": CPU, "quick": QUICK, "gpu": GPU}
