"""Signatures of continuous batching: a slot for each answer. TensorFlow only.

The caches lie in variables of the SavedModel, one pair of rings for each layer
with a row for each slot. They are for one client that makes one call at a time.

Symbols as in the backbone, and: L layers, A slots from the first on, N tokens
of a history, P cached positions, X biases, T tokens of a pass over drafts.
"""

import tensorflow as tf

from keras_gpt3.export.per_row_options import endpoint
from keras_gpt3.generation.decode_loop import write_tokens
from keras_gpt3.generation.logit_filters import rule_out_unknown
from keras_gpt3.generation.sampling_steps import penalized_scores
from keras_gpt3.generation.token_choice import choose_token
from keras_gpt3.ops.attention.cached_attention import ring_size
from keras_gpt3.ops.attention.cached_attention import write_rows
from keras_gpt3.ops.graph_assertion import assert_in_graph
from keras_gpt3.ops.sequence_checks import check_token_ids

_INTEGERS = ("top_k", "seed")
_NUMBERS = ("temperature", "top_p", "min_p")
_PENALTIES = ("repetition_penalty", "presence_penalty", "frequency_penalty")


class SlotSignatures:
    """Functions that fill slots and advance them; see `export_saved_model`."""

    def __init__(self, backbone, num_known=None):
        self._backbone = backbone
        self._num_known = num_known
        head_dim = backbone.hidden_dim // backbone.num_heads
        empty = tf.zeros((0, backbone.num_heads, 0, head_dim))
        self._empty = tf.cast(empty, backbone.compute_dtype)
        self.rings = [
            tuple(self._make_ring(block, part) for part in ("keys", "values"))
            for block in backbone.decoder_blocks
        ]
        # The length of the slots, and their places for drafts.
        self._size = tf.Variable([0, 0], trainable=False, name="slot_size")
        # What an export must hold on to.
        self.tracked = tf.Module()
        self.tracked.rings = self.rings
        self.tracked.size = self._size

    def _make_ring(self, block, part):
        # Without slots: `resize_slots` makes them, and nothing is stored.
        return tf.Variable(
            self._empty,
            trainable=False,
            shape=(None, self._empty.shape[1], None, self._empty.shape[3]),
            name=f"{block.name}_{part}",
        )

    def endpoints(self):
        """The functions and their specs, by name."""
        heads, head_dim = self._empty.shape[1], self._empty.shape[3]
        cached = (len(self.rings), None, heads, head_dim)
        dtype = self._backbone.compute_dtype
        return {
            "resize_slots": (
                self.resize_slots,
                [_scalar("num_slots"), _scalar("length"), _scalar("spare")],
            ),
            "fill_slot": (
                self.fill_slot,
                [
                    _scalar("slot"),
                    _scalar("index"),
                    tf.TensorSpec(cached, dtype, "keys"),
                    tf.TensorSpec(cached, dtype, "values"),
                ],
            ),
            "read_into_slot": (
                self.read_into_slot,
                [
                    _scalar("slot"),
                    _scalar("index"),
                    tf.TensorSpec((None,), tf.int32, "token_ids"),
                ],
            ),
            "step_slots": endpoint(
                self.step_slots,
                [_vector("token_ids"), *_choice_specs(), _scalar("num_top")],
            ),
            "verify_slots": endpoint(
                self.verify_slots,
                [
                    _matrix("token_ids"),
                    _vector("num_drafts"),
                    *_choice_specs(),
                ],
            ),
        }

    def resize_slots(self, num_slots, length, spare):
        """Change the number of slots and their length, and keep the rest.

        `spare` is the most drafts of a slot that `verify_slots` may get.
        """
        context = self._backbone.max_sequence_length
        length = assert_in_graph(
            length,
            length <= context,
            f"length must be at most max_sequence_length={context}. Received: "
            "length=",
            length,
            ". Request fewer tokens.",
        )
        # Where a ring has come round, its size says what lies where.
        is_empty = (self._num_slots() == 0) | (num_slots == 0)
        spare = assert_in_graph(
            spare,
            is_empty | (spare == self._size[1]),
            "spare must stay the same while there are slots. Received: spare=",
            spare,
            ". Resize to no slots first.",
        )
        for block, rings in zip(
            self._backbone.decoder_blocks, self.rings, strict=True
        ):
            size = ring_size(length, block.window) + spare
            for ring in rings:
                value = ring.read_value()[:num_slots, :, :size]
                shape = tf.shape(value)
                room = [[0, num_slots - shape[0]], [0, 0]]
                room += [[0, size - shape[2]], [0, 0]]
                # An assignment of Keras or TensorFlow would compare shapes.
                tf.raw_ops.AssignVariableOp(
                    resource=ring.handle,
                    value=tf.pad(value, room),
                    validate_shape=False,
                )
        self._size.assign(tf.stack([length, spare]))
        return {"num_slots": num_slots}

    def _num_slots(self):
        return tf.raw_ops.VariableShape(input=self.rings[0][0].handle)[0]

    def fill_slot(self, slot, index, keys, values):
        """Write keys and values, as `read_into_slot` gave them, to a slot."""
        length = tf.shape(keys)[1]
        end = self._checked_place(slot, 1, index + length)
        index, written = (end - length)[tf.newaxis], []
        for rings, new in zip(
            self.rings,
            zip(tf.unstack(keys), tf.unstack(values), strict=True),
            strict=True,
        ):
            for ring, update in zip(rings, new, strict=True):
                written.append(
                    write_rows(ring, update[tf.newaxis], index, slot)
                )
        with tf.control_dependencies(written):
            return {"index": tf.identity(end)}

    def read_into_slot(self, slot, index, token_ids):
        """Read tokens that follow what a slot holds; their keys and values."""
        token_ids = check_token_ids(token_ids, self._backbone.vocabulary_size)
        length = tf.shape(token_ids)[0]
        length = assert_in_graph(
            length,
            length > 0,
            "token_ids must have at least one token. Received: length=",
            length,
            ". Leave the call out for none.",
        )
        end = self._checked_place(slot, 1, index + length)
        index = (end - length)[tf.newaxis]
        _, cache = self._backbone.call_with_cache(
            token_ids[tf.newaxis], self._cache(slot), index
        )
        written = [ring for layer in cache for ring in layer[:2]]
        with tf.control_dependencies(written):
            keys, values = (
                tf.concat([layer[i] for layer in cache], axis=0) for i in (2, 3)
            )
        return {"keys": keys, "values": values}

    def step_slots(self, token_ids, index, num_top, **choice):
        """The next token of each of the first slots.

        `token_ids` (A,) stand before the positions `index` (A,); a slot that
        has no answer to continue has the position that it will hold next.
        """
        logits, written = self._score(token_ids[:, tf.newaxis], index)
        logits = logits[:, 0]  # (A, V)
        chosen = _choose(self._of_known(logits), index, **choice)
        # Nothing else would have the last layer's rings written.
        with tf.control_dependencies(written):
            chosen = tf.identity(chosen)
        return {"token_ids": chosen} | _log_probabilities(
            logits, chosen, num_top, self._num_known
        )

    def verify_slots(
        self,
        token_ids,
        num_drafts,
        index,
        history,
        history_length,
        **choice,
    ):
        """The next tokens of the first slots, where drafts are there.

        `token_ids` (A, T) are the last known token of each slot, its drafts and
        padding. Each of the chosen tokens is the one after those up to its
        place: an answer goes on with the first `num_accepted + 1` of them.
        """
        logits, written = self._score(token_ids, index)
        drafts = token_ids[:, 1:]
        count = tf.shape(token_ids)[1]
        room = tf.zeros_like(drafts)
        history = tf.cond(
            (tf.size(history) > 0) & (count > 1),
            lambda: write_tokens(
                tf.concat([history, room], axis=1),
                drafts,
                history_length,
                tf.fill(tf.shape(index), count - 1),
            ),
            lambda: history,
        )
        places = tf.range(count)
        chosen = _choose(
            self._of_known(tf.reshape(logits, (-1, logits.shape[-1]))),
            tf.reshape(index[:, tf.newaxis] + places, [-1]),
            history=tf.repeat(history, count, axis=0),
            history_length=tf.reshape(
                history_length[:, tf.newaxis] + places, [-1]
            ),
            **{name: tf.repeat(x, count, axis=0) for name, x in choice.items()},
        )
        chosen = tf.reshape(chosen, tf.shape(token_ids))
        is_right = (drafts == chosen[:, :-1]) & (
            places[:-1] < num_drafts[:, tf.newaxis]
        )
        accepted = tf.math.cumprod(tf.cast(is_right, tf.int32), axis=1)
        with tf.control_dependencies(written):
            chosen = tf.identity(chosen)
        return {
            "token_ids": chosen,
            "num_accepted": tf.reduce_sum(accepted, axis=1),
        }

    def _score(self, token_ids, index):
        """Scores (A, T, V) after tokens (A, T), and what has been written."""
        token_ids = check_token_ids(token_ids, self._backbone.vocabulary_size)
        shape = tf.shape(token_ids)
        last = self._checked_place(
            0, shape[0], tf.reduce_max(index), shape[1] - 1
        )
        with tf.control_dependencies([last]):
            index = tf.identity(index)
        states, cache = self._backbone.call_with_cache(
            token_ids, self._cache(0), index - 1
        )
        logits = tf.cast(self._backbone.logits(states), tf.float32)
        return logits, [x for layer in cache for x in layer[:2]]

    def _of_known(self, logits):
        return rule_out_unknown(logits, self._num_known)

    def _checked_place(self, slot, count, end, num_drafts=0):
        """The end of positions of slots, with a check that it is there."""
        end = assert_in_graph(
            end,
            slot + count <= self._num_slots(),
            "A slot must be one that resize_slots made. Received: slot=",
            slot + count - 1,
            ". Make more of them first.",
        )
        end = assert_in_graph(
            end,
            end <= self._size[0],
            "Positions must be within the length of resize_slots. Received: "
            "end=",
            end,
            ". Make the slots longer first.",
        )
        # Without a place of their own, drafts that are wrong would replace
        # what a window still sees.
        return assert_in_graph(
            end,
            num_drafts <= self._size[1],
            "Drafts must be at most spare of resize_slots. Received: drafts=",
            num_drafts,
            ". Make slots with more spare places.",
        )

    def _cache(self, first):
        """The rings as a cache of which the batch is the rows from `first`."""
        first = tf.convert_to_tensor(first)
        return [
            (*(ring.read_value() for ring in pair), first)
            for pair in self.rings
        ]


def _choice_specs():
    """What the choice of a token depends on."""
    return [
        _vector("index"),
        *(_vector(name) for name in _INTEGERS),
        *(_vector(name, tf.float32) for name in _NUMBERS),
        *(_vector(name, tf.float32) for name in _PENALTIES),
        _matrix("history"),
        _vector("history_length"),
        _vector("prompt_length"),
        _matrix("bias_token_ids"),
        _matrix("biases", tf.float32),
    ]


def _choose(
    logits,
    index,
    history,
    history_length,
    prompt_length,
    bias_token_ids,
    biases,
    **settings,
):
    """The token of each row of scores."""
    penalties = {name: settings.pop(name) for name in _PENALTIES}
    scores = tf.cond(
        tf.size(biases) > 0,
        lambda: _biased(logits, bias_token_ids, biases),
        lambda: logits,
    )
    scores = tf.cond(
        tf.size(history) > 0,
        lambda: penalized_scores(
            scores, history, history_length, prompt_length, penalties
        ),
        lambda: scores,
    )
    return choose_token(scores, index, **settings)


def _biased(scores, token_ids, biases):
    """Scores plus biases of some tokens; 0 for what is padding."""
    rows = tf.range(tf.shape(scores)[0])[:, tf.newaxis]
    rows = tf.broadcast_to(rows, tf.shape(token_ids))
    cells = tf.stack([rows, token_ids], axis=-1)
    return tf.tensor_scatter_nd_add(scores, cells, biases)


def _log_probabilities(logits, chosen, num_top, num_known):
    """Those of the chosen tokens and the highest; none if `num_top` < 0.

    As `score_tokens` has them: of all ids, the highest among the known.
    """
    rows = tf.shape(chosen)[0]

    def compute():
        logs = tf.nn.log_softmax(logits)
        top, top_ids = tf.math.top_k(logs[:, :num_known], num_top)
        return tf.gather(logs, chosen, batch_dims=1), top_ids, top

    def leave_out():
        nothing = tf.zeros((rows, 0))
        return tf.zeros((rows,)), tf.cast(nothing, tf.int32), nothing

    values = tf.cond(num_top >= 0, compute, leave_out)
    names = "log_probabilities", "top_token_ids", "top_log_probabilities"
    return dict(zip(names, values, strict=True))


def _scalar(name):
    return tf.TensorSpec((), tf.int32, name)


def _vector(name, dtype=tf.int32):
    return tf.TensorSpec((None,), dtype, name)


def _matrix(name, dtype=tf.int32):
    return tf.TensorSpec((None, None), dtype, name)
