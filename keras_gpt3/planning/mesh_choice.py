"""A mesh to train on, and what that takes."""

import dataclasses

from keras_gpt3.planning.mesh import Mesh


@dataclasses.dataclass(frozen=True)
class MeshChoice:
    """A mesh with the arguments to train on it, and what that takes."""

    mesh: Mesh
    shard_optimizer: bool
    shard_weights: bool
    micro_batch_size: int | None
    rematerialization: str | int
    memory: dict
    communication: dict
    bubble: float
    recomputation: float
    step_seconds: float

    @property
    def fields(self):
        """All of the above, as a dict."""
        return {
            field.name: getattr(self, field.name)
            for field in dataclasses.fields(self)
        }

    @property
    def arguments(self):
        """The arguments as they are written."""
        shards = [
            f"{name}=True"
            for name in ("shard_optimizer", "shard_weights")
            if getattr(self, name)
        ]
        return ", ".join(
            [
                *shards,
                f"micro_batch_size={self.micro_batch_size}",
                f"rematerialization={self.rematerialization!r}",
            ]
        )

    @property
    def is_plain(self):
        """Whether every device has the whole model."""
        alone = self.mesh.model == self.mesh.stages == 1
        return alone and not (self.shard_optimizer or self.shard_weights)

    @property
    def backend(self):
        """The Keras backend that runs it, a str."""
        on_tensorflow = self.is_plain or self.mesh.stages > 1
        return "tensorflow" if on_tensorflow else "jax"
