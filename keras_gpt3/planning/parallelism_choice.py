"""Whether replicas do, or a model must be split over devices."""

import dataclasses

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.argument_checks import echoed
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.device_share import data_axis_divides
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.mesh import divisors
from keras_gpt3.planning.mesh import meshes
from keras_gpt3.planning.step_time import communication_bytes
from keras_gpt3.planning.step_time import pipeline_bubble
from keras_gpt3.planning.step_time import step_seconds
from keras_gpt3.planning.training_memory import TrainingChoice
from keras_gpt3.planning.training_memory import step_memory


def choose_parallelism(job, devices, budget, mesh=None):
    """Choose plain data parallelism if that fits, else the quickest mesh."""
    if mesh is not None:
        check_rows_divide("data", mesh.data, job.rows, job.length)
    elif job.rows % devices:
        return _choose_for_other_rows(job, devices, budget)
    return best_choice(job, devices, budget, mesh)


def best_choice(job, devices, budget, mesh=None):
    """The same choice for the rows as they are, whatever others would give."""
    least = []
    if mesh in (None, Mesh(devices)) and job.divides(devices):
        plain, fits = plain_choice(job, devices, budget)
        if fits:
            return plain, True
        least.append(plain)
    choice, fits = choose_mesh(job, devices, budget, mesh)
    if fits:
        return choice, True
    least += [choice] if choice else []
    least = min(least, key=lambda each: each.memory["total"], default=None)
    return least, False


def _choose_for_other_rows(job, devices, budget):
    """Fewer replicas than devices, as these do not divide the rows."""
    rows = nearest_rows(devices, job.rows) // devices
    _, is_plain = job.choose(rows, budget)
    choice, fits = None, False
    if devices > job.rows or not is_plain:
        choice, fits = choose_mesh(job, devices, budget)
    # Stages of a model that fits into one device gain nothing.
    if choice is None or (is_plain and choice.mesh.stages > 1):
        check_rows_divide("devices", devices, job.rows, job.length)
    return choice, fits


def rows_of_batch(description, batch_tokens, length):
    """The rows of the batch of all devices."""
    if batch_tokens is None and description.recipe is None:
        raise ValueError(
            "batch_tokens must be given where the preset has no recipe. "
            f"Received: batch_tokens=None, preset={echoed(description.name)}. "
            "Pass the tokens of the batch of all devices."
        )
    if batch_tokens is None:
        batch_tokens = description.recipe["batch_tokens"]
    return rows_of_tokens(batch_tokens, length)


def rows_of_tokens(batch_tokens, length):
    """The rows of a batch that is given in tokens."""
    check_integer("batch_tokens", batch_tokens, minimum=1)
    rows = batch_tokens // length
    if rows == 0 or batch_tokens % length:
        whole = max(1, round(batch_tokens / length)) * length
        raise ValueError(
            "batch_tokens must be a multiple of length. Received: "
            f"batch_tokens={batch_tokens}, length={length}. Use batch_tokens="
            f"{whole}."
        )
    return rows


def check_rows_divide(name, number, rows, length):
    """Raise unless devices divide the rows of a batch."""
    if rows % number:
        nearest = nearest_rows(number, rows)
        raise ValueError(
            f"{name} must divide the rows of the batch. Received: {name}="
            f"{number}, batch_tokens={rows * length}, which are {rows} rows "
            f"of {length} tokens. Use batch_tokens={nearest * length}, "
            f"{nearest} rows."
        )


def nearest_rows(number, rows):
    """The multiple of a number of devices that is nearest to some rows."""
    return max(1, round(rows / number)) * number


# Of the policies of `compile(rematerialization=...)`: what lies between gains
# little on a mesh.
_POLICIES = ("none", 4, 3, 2, "block")
# How often `fewest_devices` tries twice the devices.
_DOUBLINGS = 8


def plain_choice(job, devices, budget):
    """Plain data parallelism: every device has the whole model."""
    mesh, rows = Mesh(devices), job.rows // devices
    choice, fits = job.choose(rows, budget)
    found = _Candidate(job, mesh).choice(
        choice.micro_batch_size, choice.rematerialization, choice.memory
    )
    return found, fits


def choose_mesh(job, devices, budget, mesh=None):
    """Find the mesh with the shortest step of those that fit.

    A model axis stays within a machine unless nothing else fits. Of choices
    whose steps differ by less than a percent, the simplest.
    """
    candidates = list(_candidates(job, devices, mesh))
    near = [c for c in candidates if c.mesh.model <= job.links.node_devices]
    far = [c for c in candidates if c.mesh.model > job.links.node_devices]
    for group in (near, far):
        fitting = [c.fitting(budget) for c in group]
        fitting = [choice for choice in fitting if choice is not None]
        if fitting:
            return min(fitting, key=_preference), True
    least = min(candidates, key=_Candidate.least_memory, default=None)
    return least and least.smallest(), False


def fewest_devices(job, devices, budget):
    """Find how many devices it takes, by doubling them."""
    for doublings in range(1, _DOUBLINGS + 1):
        more = devices * 2**doublings
        for candidate in _candidates(job, more):
            if candidate.least_memory() <= budget:
                return more
    return None


def _candidates(job, devices, mesh=None):
    """Every mesh with every way to share weights and optimizer state."""
    nodes, backend = job.links.node_devices, job.backend
    found = [mesh] if mesh else meshes(job.config, devices, nodes, backend)
    for each in found:
        if not job.divides(each.data):
            continue
        if each.data < devices:  # Else plain.
            yield _Candidate(job, each)
        alone = each.data == 1 or each.stages > 1 or backend == "tensorflow"
        if not alone and data_axis_divides(job.config, each.data):
            yield _Candidate(job, each, shard_optimizer=True)
            yield _Candidate(job, each, shard_weights=True)


def _preference(choice):
    """The quickest; of those within a percent the one with fewest parts."""
    return (
        float(f"{choice.step_seconds:.2e}"),
        choice.shard_weights,
        choice.shard_optimizer,
        choice.mesh.stages,
        choice.mesh.model,
        choice.step_seconds,
    )


class _Candidate:
    """A mesh and what its data axis shares, with the choices that leaves."""

    def __init__(self, job, mesh, shard_optimizer=False, shard_weights=False):
        self.job = job
        self.mesh = mesh
        self.shards = {
            "shard_optimizer": shard_optimizer,
            "shard_weights": shard_weights,
        }
        self.share = DeviceShare.of(job.config, mesh, **self.shards)
        self.rows = job.rows // mesh.data

    def fitting(self, budget):
        """The best choice that fits, or `None`."""
        found = []
        if self.least_memory() > budget:
            return None
        sizes, policies = self._settings()
        for policy in policies:
            for micro in sizes:
                memory = self._memory(micro, policy)
                if memory["total"] <= budget:
                    found.append(self.choice(micro, policy, memory))
                    # Fewer micro-batches never take longer, but in a pipeline.
                    if self.mesh.stages == 1:
                        break
        return min(found, key=_preference, default=None)

    def least_memory(self):
        """The bytes of the choice that takes least."""
        return min(memory["total"] for memory in self._least().values())

    def smallest(self):
        """That choice."""
        memories = self._least()
        settings = min(memories, key=lambda each: memories[each]["total"])
        return self.choice(*settings, memories[settings])

    def _settings(self):
        """Micro-batches and policies to choose from: least arithmetic first."""
        if self.job.step is None:
            return divisors(self.rows), _POLICIES
        micro, policy = self.job.step
        return [micro or self.rows], [policy]

    def _least(self):
        # Micro-batches are added up in float32, which may be more. Of few
        # tokens a block keeps less than is there of its gradients.
        sizes, policies = self._settings()
        return {
            (micro, policy): self._memory(micro, policy)
            for micro in (sizes[-1], sizes[0])
            for policy in (policies[-1], policies[0])
        }

    def choice(self, micro, policy, memory):
        """A choice with all that follows from it."""
        micro_batches = self.rows // (micro or self.rows)
        sizes = self.job.sizes(self.rows // micro_batches, policy)
        sent = communication_bytes(self.mesh, self.share, sizes, micro_batches)
        again = self.job.recomputation(policy)
        return MeshChoice(
            mesh=self.mesh,
            backend=self.job.backend,
            **self.shards,
            micro_batch_size=None if micro == self.rows else micro,
            rematerialization=policy,
            memory=memory,
            communication=sent,
            bubble=pipeline_bubble(self.mesh.stages, micro_batches),
            recomputation=again,
            step_seconds=step_seconds(
                self.job, self.mesh, micro_batches, again, sent
            ),
        )

    def _memory(self, micro, policy):
        sizes = self.job.sizes(micro, policy)
        return step_memory(self.mesh, self.share, sizes, self.rows // micro)


@dataclasses.dataclass(frozen=True, kw_only=True)
class MeshChoice(TrainingChoice):
    """A mesh with the arguments to train on it, and what that takes.

    `backend` is the Keras backend that runs it, by default the one that has
    what it needs, and TensorFlow where either would do.
    """

    mesh: Mesh
    backend: str | None = None
    shard_optimizer: bool
    shard_weights: bool
    communication: dict
    bubble: float
    recomputation: float
    step_seconds: float

    def __post_init__(self):
        if self.backend is None:
            on_tensorflow = self.is_plain or self.mesh.stages > 1
            backend = "tensorflow" if on_tensorflow else "jax"
            object.__setattr__(self, "backend", backend)

    @property
    def shard_arguments(self):
        """Those of `get_layout_map` as they are written, a list."""
        names = ("shard_optimizer", "shard_weights")
        return [f"{name}=True" for name in names if getattr(self, name)]

    @property
    def arguments(self):
        """All arguments as they are written."""
        return ", ".join([*self.shard_arguments, super().arguments])

    @property
    def is_plain(self):
        """Whether every device has the whole model."""
        alone = self.mesh.model == self.mesh.stages == 1
        return alone and not (self.shard_optimizer or self.shard_weights)
