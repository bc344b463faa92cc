"""Bytes of a step that XLA compiles as a whole for accelerators.

Weights and optimizer state are exact. The rest follows the buffers that XLA's
compiler for an H100 makes of the step: each constant says what it stands for,
and `tests/planning/compiled_steps.json` holds what the compiler itself says.
JAX compiles the step with the update, on one device or for each of a mesh;
TensorFlow the gradients of a replica, which are updated in place after.

Symbols as in the backbone, but T tokens that are in a replica at once, and: n
devices along the model axis.
"""

import dataclasses

from keras_gpt3.ops.attention.attention_shapes import block_size
from keras_gpt3.planning.device_share import DeviceShare
from keras_gpt3.planning.memory import FLOAT32_BYTES
from keras_gpt3.planning.memory import training_slots
from keras_gpt3.planning.pass_sizes import PassSizes

# Kept of a block for its backward pass. Of T x M numbers, on every device: its
# output, from which the sums of the residual stream are made again; a
# rematerialized block keeps nothing else. Of T x M / n: queries, keys, values
# and the output of attention. Of T x I / n: the input of the activation.
_KEPT_WHOLE = 1
_KEPT_OF_WIDTH = 4
_KEPT_OF_INNER = 1
# Of T x M: the embedded tokens first, then those and in and out of the final
# norm while the loss is taken.
_KEPT_BEFORE_BLOCKS = 1
_KEPT_AROUND_BLOCKS = 3

# Of the size of the output head, in the dtype of the activations: the head
# itself, and its gradient of one chunk of tokens.
_TABLES_AT_LOSS = 2

# Temporary arrays of the feed-forward layers' backward pass, of T x M: their
# input before and after the norm, and the gradients of both; of T x I / n: the
# activation and its gradient.
_FEED_FORWARD_WHOLE = 4
_FEED_FORWARD_INNER = 2
# Of attention's, of T x M / n: queries, keys, values, the output and its
# gradient in the layout of cuDNN's kernel, and three gradients, which are
# turned back. Where a batch has padding the loop runs instead, which takes less
# but for two arrays of the scores of a pair of blocks, in float32.
_ATTENTION_WIDTH = 9
_ATTENTION_SCORES = 2

# Where devices exchange in each block, XLA puts gradients off if what they are
# made of is more than they: of T x M, of T x M / n and of T x I / n. That is
# there of one block, or two along a model axis. And of T x M, what each of so
# many blocks that are done holds beside its gradients, which wait for the
# exchange. How much is put off differs from shape to shape: with several rows a
# device this says 0.9 to 1.3 times what the compiler says.
_UNMADE_WHOLE = 5
_UNMADE_OF_WIDTH = 7
_UNMADE_OF_INNER = 2
_WAITING = 3
_WAITING_BLOCKS = 16
# Else gradients wait until there are so many bytes to exchange at once.
_COMBINED_BYTES = 30 * 2**20

# Of the peak: XLA does not fill all gaps between buffers of different lives.
_GAPS = 0.03


def xla_memory(share, sizes, micro_batches, backend, optimizer="adamw"):
    """Compute the memory of a step on an accelerator, without stages."""
    kind = {"jax": _JaxStep, "tensorflow": _TensorFlowStep}[backend]
    return kind(share, sizes, micro_batches > 1).memory(optimizer)


@dataclasses.dataclass(frozen=True)
class _Step:
    """A step, and what the two backends have in common."""

    share: DeviceShare
    sizes: PassSizes
    accumulates: bool

    def memory(self, optimizer):
        """The parts, and the total at the moment that takes most."""
        share, sizes = self.share, self.sizes
        weights = share.held.total * sizes.weight_bytes
        slots = share.slots.total * sizes.weight_bytes
        state = training_slots(optimizer) * slots
        peak = self.lasting() + int((1 + _GAPS) * max(self.moments()))
        return {
            "weights": weights,
            "optimizer": state,
            "gradients": self.gradients(),
            **sizes.activations(
                map(self.kept_of_block, sizes.recomputed),
                _KEPT_AROUND_BLOCKS * self.array,
            ),
            "loss_chunk": self.loss_chunk(),
            "workspace": max(map(self.workspace, {*sizes.recomputed})),
            **({"fetched_weights": self.fetched()} if share.is_fetched else {}),
            "total": weights + state + peak,
        }

    def moments(self):
        """Bytes beside what lasts, at the moments that might take most."""
        kept = [self.kept_of_block(again) for again in self.sizes.recomputed]
        around = _KEPT_AROUND_BLOCKS * self.array
        yield sum(kept) + around + self.loss_chunk() + self.table_gradient()
        before = _KEPT_BEFORE_BLOCKS * self.array + sum(kept)
        after = self.table_gradient() + self.exchanged() + self.fetched()
        layers = zip(self.sizes.recomputed, kept, strict=True)
        for done, (recomputed, own) in enumerate(reversed(list(layers))):
            again = recomputed * (self.kept_of_block(False) - own)
            work = again + self.workspace(recomputed) + self.put_off(done)
            yield before + work + after
            # Where weights are spread, what is left of blocks does not find
            # place where they kept their inputs: of 6.7B in 8 parts a block
            # takes 117.6 MB, 67.1 of its input and 50.3 of its gradients.
            before -= own * (not self.goes_in_turn)
            after += self.left_of_block(recomputed)
        yield after + self.put_off(len(kept))

    @property
    def array(self):
        """Bytes of T x M numbers."""
        width = self.sizes.hidden_dim * self.sizes.activation_bytes
        return self.sizes.tokens * width

    @property
    def inner_array(self):
        """Bytes of T x I / n numbers."""
        inner = self.sizes.intermediate_dim // self.share.model
        return self.sizes.tokens * inner * self.sizes.activation_bytes

    def kept_of_block(self, recomputed):
        """What a block keeps for its backward pass."""
        return self.array if recomputed else sum(self.arrays_of_block())

    def arrays_of_block(self):
        """The same of one that is not rematerialized, array by array."""
        sizes, model = self.sizes, self.share.model
        layouts = self.attention_layouts()
        yield from [self.array] * _KEPT_WHOLE
        yield from [self.array // model] * (_KEPT_OF_WIDTH + layouts - 1)
        yield from [self.inner_array] * _KEPT_OF_INNER
        log_sums = sizes.tokens * sizes.num_heads // model * FLOAT32_BYTES
        yield from [log_sums] * layouts
        if sizes.has_dropout:  # Bools, of both branches.
            yield from [sizes.tokens * sizes.hidden_dim] * 2

    def loss_chunk(self):
        """The head, its gradient, and the gradient of a chunk's logits."""
        rows = self.share.used.table // self.sizes.hidden_dim
        numbers = _TABLES_AT_LOSS * self.share.used.table
        numbers += self.sizes.chunk_tokens * rows
        return numbers * self.sizes.activation_bytes

    def workspace(self, recomputed):
        """Temporary arrays of a block's backward pass."""
        return max(
            _FEED_FORWARD_WHOLE * self.array + self.inner_workspace(recomputed),
            # What was made again for the feed-forward layers is gone.
            self._attention_workspace() - recomputed * self.inner_array,
        )

    def _attention_workspace(self):
        sizes, model = self.sizes, self.share.model
        block = min(block_size(), sizes.length)
        scores = sizes.rows * sizes.num_heads // model * block**2
        arrays = _ATTENTION_WIDTH * self.array // model
        return arrays + _ATTENTION_SCORES * scores * FLOAT32_BYTES

    def fetched(self):
        """A block's weights of other devices, in the dtype of activations."""
        block = self.share.used.block * self.sizes.activation_bytes
        return self.share.is_fetched * block

    @property
    def goes_in_turn(self):
        """Whether the gradients of a block are spread before the next block.

        The step sees to it where weights are spread. With a model axis as well
        the planner does not count on it: no deep model was compiled there.
        """
        return self.share.is_fetched and self.share.model == 1

    def summed(self):
        """The sums of micro-batches, in float32 at least."""
        total = self.share.held.total
        return self.accumulates * total * self.sizes.sum_bytes


class _JaxStep(_Step):
    """Gradients are temporary, in the dtype in which they are computed."""

    def gradients(self):
        rest = self.share.used.total - self.share.used.table
        return self.table_gradient() + rest * self.sizes.activation_bytes

    def lasting(self):
        return self.summed()

    def table_gradient(self):
        """That of the head, to which the chunks add."""
        return self.share.used.table * self.sizes.weight_bytes

    def attention_layouts(self):
        """The fused kernel's output is kept in its layout as well."""
        return 2 if self.sizes.activation_bytes == 2 else 1

    def inner_workspace(self, recomputed):
        # Else the activation is not made before the end; see `left_of_block`.
        return (_FEED_FORWARD_INNER - (not recomputed)) * self.inner_array

    def left_of_block(self, recomputed):
        """What is there of a block after its backward pass: its gradients.

        XLA puts off what makes nothing smaller. Of a block that is not
        rematerialized that is the gradient of the last kernel, whose sides are
        kept; where devices exchange, all that waits for them.
        """
        share, sizes = self.share, self.sizes
        gradients = share.used.block * sizes.activation_bytes
        if self.goes_in_turn:
            return share.slots.block * sizes.activation_bytes
        if self.waits:
            return gradients  # And what `put_off` adds.
        if self.is_shared:
            return share.slots.block * sizes.activation_bytes
        if recomputed:
            return gradients
        kernel = sizes.hidden_dim * sizes.intermediate_dim // share.model
        put_off = kernel * sizes.activation_bytes
        return gradients - put_off + self.array + self.inner_array

    @property
    def is_shared(self):
        """Whether each replica updates its share of the weights only."""
        return self.share.slots != self.share.used

    @property
    def waits(self):
        """Whether blocks that are done hold more than their gradients."""
        if self.goes_in_turn:
            return False
        if self.is_shared:
            return self._unmade_of_block() > 0
        return self.share.model > 1

    def exchanged(self):
        """The gradient of the head once more, as replicas exchange it."""
        return self.is_shared * self.table_gradient()

    def put_off(self, done):
        """What is there of some blocks more than of all that are done."""
        if self.waits:
            blocks = min(done, 1 + (self.share.model > 1))
            waiting = _WAITING * min(done, _WAITING_BLOCKS) * self.array
            return blocks * self._unmade_of_block() + waiting
        if self.goes_in_turn or not self.is_shared:
            return 0
        part = self.share.slots.block * self.sizes.activation_bytes
        whole = self.share.used.block * self.sizes.activation_bytes
        return min(done, -(-_COMBINED_BYTES // part)) * (whole - part)

    def _unmade_of_block(self):
        """What one block's are made of, beyond themselves."""
        share = self.share
        sides = _UNMADE_WHOLE * self.array
        sides += _UNMADE_OF_WIDTH * self.array // share.model
        sides += _UNMADE_OF_INNER * self.inner_array
        gradients = share.used.block * self.sizes.activation_bytes
        return max(0, sides - gradients)


class _TensorFlowStep(_Step):
    """Gradients are results, whose memory is there from the beginning."""

    def gradients(self):
        return self.share.used.total * self.sizes.weight_bytes

    def lasting(self):
        return self.gradients() + self.summed()

    def table_gradient(self):
        return 0

    def attention_layouts(self):
        return 1

    def inner_workspace(self, recomputed):
        # The gradient is in float32 for a moment.
        widths = self.sizes.activation_bytes + FLOAT32_BYTES
        return widths * self.sizes.tokens * self.sizes.intermediate_dim

    def kept_of_block(self, recomputed):
        """Less what lies where a gradient of the block will be.

        XLA puts one array where a gradient comes later, if that is as large.
        """
        arrays = [self.array] if recomputed else [*self.arrays_of_block()]
        return sum(arrays) - _placed(arrays, self._kernel_gradients())

    def _kernel_gradients(self):
        width, inner = self.sizes.hidden_dim, self.sizes.intermediate_dim
        numbers = (width * inner, width * inner, 3 * width**2, width**2)
        return [n * self.sizes.weight_bytes for n in numbers]

    def left_of_block(self, recomputed):
        return 0

    def exchanged(self):
        return 0

    def put_off(self, done):
        return 0


def _placed(arrays, places):
    """Bytes of the largest arrays that find a place each."""
    left, placed = sorted(arrays, reverse=True), 0
    for place in sorted(places, reverse=True):
        fitting = next((size for size in left if size <= place), None)
        if fitting is not None:
            left.remove(fitting)
            placed += fitting
    return placed
