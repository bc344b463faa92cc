"""The search for the mesh to train on, and how, in a given memory."""

from keras_gpt3.planning.communication import communication_bytes
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.mesh import Mesh
from keras_gpt3.planning.mesh import meshes
from keras_gpt3.planning.mesh_choice import MeshChoice
from keras_gpt3.planning.micro_batch_division import divisors
from keras_gpt3.planning.pipeline_bubble import pipeline_bubble
from keras_gpt3.planning.sharded_memory import step_memory
from keras_gpt3.planning.step_time import step_seconds
from keras_gpt3.planning.training_choice import choose_training
from keras_gpt3.planning.weight_shards import data_axis_divides

# Of the policies of `compile(rematerialization=...)`: what lies between gains
# little on a mesh.
_POLICIES = ("none", 4, 3, 2, "block")
# How often `fewest_devices` tries twice the devices.
_DOUBLINGS = 8


def plain_choice(job, devices, budget):
    """Plain data parallelism: every device has the whole model."""
    mesh, rows = Mesh(devices), job.rows // devices
    choice, fits = choose_training(
        job.config, rows, budget, **job.memory_options
    )
    found = _Candidate(job, mesh).choice(
        choice.micro_batch_size, choice.rematerialization, choice.memory
    )
    return found, fits


def choose_mesh(job, devices, budget, mesh=None):
    """Finds the mesh with the shortest step of those that fit.

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
    """Finds how many devices it takes, by doubling them."""
    for doublings in range(1, _DOUBLINGS + 1):
        more = devices * 2**doublings
        for candidate in _candidates(job, more):
            if candidate.least_memory() <= budget:
                return more
    return None


def _candidates(job, devices, mesh=None):
    """Every mesh with every way to share weights and optimizer state."""
    nodes = job.links.node_devices
    for each in [mesh] if mesh else meshes(job.config, devices, nodes):
        if job.rows % each.data:
            continue
        if each.data < devices:  # Else plain.
            yield _Candidate(job, each)
        alone = each.data == 1 or each.stages > 1
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
        self.shards = (shard_optimizer, shard_weights)
        self.share = DeviceShare.of(job.config, mesh, *self.shards)
        self.rows = job.rows // mesh.data

    def fitting(self, budget):
        """The best choice that fits, or `None`."""
        found = []
        if self.least_memory() > budget:
            return None
        for policy in _POLICIES:
            for micro in divisors(self.rows):
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

    def _least(self):
        # Micro-batches are added up in float32, which may be more. Of few
        # tokens a block keeps less than is there of its gradients.
        return {
            (micro, policy): self._memory(micro, policy)
            for micro in (1, self.rows)
            for policy in ("block", "none")
        }

    def choice(self, micro, policy, memory):
        """A choice with all that follows from it."""
        micro_batches = self.rows // (micro or self.rows)
        sizes = self.job.sizes(self.rows // micro_batches, policy)
        sent = communication_bytes(self.mesh, self.share, sizes, micro_batches)
        again = self.job.recomputation(policy)
        return MeshChoice(
            self.mesh,
            *self.shards,
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
