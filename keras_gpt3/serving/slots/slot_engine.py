"""Continuous batching: answers share the steps of the model, each in a slot.

At every step waiting requests are admitted to free slots, a part of their
prompts is read, and all slots advance by a token, or by several that were
drafted. What ends leaves its slot.
"""

import asyncio
import collections
import math

import numpy as np

from keras_gpt3.generation.drafters import drafts_a_row
from keras_gpt3.models.generate.length_buckets import power_of_two
from keras_gpt3.serving.slots.prefix_store import BLOCK
from keras_gpt3.serving.slots.prefix_store import PrefixStore
from keras_gpt3.serving.slots.slot_answer import SlotAnswer
from keras_gpt3.serving.slots.slot_answer import SlotToken
from keras_gpt3.serving.slots.slot_drafts import learn
from keras_gpt3.serving.slots.slot_inputs import step_inputs

# Tokens of prompts that are read between two steps: the more, the longer all
# other answers wait. A multiple of the blocks of shared beginnings.
_TOKENS_A_STEP = 8 * BLOCK
# Slots grow by powers of two from here, as answers need.
_SHORTEST = 64
# Their number and length.
_NO_SLOTS = (0, 0)


class SlotEngine:
    """Continues many prompts at a time on an export's slots."""

    def __init__(self, model, settings, threads, metrics, drafts=None):
        self._model = model
        self._threads = threads
        self._metrics = metrics
        self._most_slots = settings.max_slots
        self._drafts = drafts
        # The most tokens that a row may draft, when it is alone.
        self._spare = drafts_a_row(1) if drafts else 0
        self._most_bytes = settings.max_cache_bytes
        self._cache_bytes = model.cache_bytes
        if drafts:
            self._cache_bytes += drafts.cache_bytes
        self._prefixes = PrefixStore(settings.max_prefix_bytes)
        self._waiting = collections.deque()
        self._slots = {}  # The rows that have a slot.
        self._size = _NO_SLOTS
        self._task = None

    @property
    def num_slots_used(self):
        """Answers that have a slot, an int."""
        return len(self._slots)

    @property
    def num_waiting(self):
        """Answers that wait for a slot, an int."""
        return len(self._waiting)

    async def generate(self, request):
        """Continue a prompt, piece by piece; closing it frees the slot."""
        first_pause = self._drafts.first_pause if self._drafts else 1
        row = SlotAnswer(request, first_pause)
        self._waiting.append(row)
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())
        try:
            while True:
                piece = await row.pieces.get()
                if isinstance(piece, Exception):
                    raise piece
                yield piece
                if piece.finish_reason:
                    return
        finally:
            row.is_gone = True

    async def _work(self):
        """Step until no answer is wanted."""
        loop = asyncio.get_running_loop()
        while self._waiting or self._slots:
            self._drop_gone()
            self._admit()
            if not self._slots:
                continue
            rows = dict(self._slots)
            try:
                chosen = await loop.run_in_executor(
                    self._threads.running, self._advance, rows
                )
                for slot, tokens in chosen.items():
                    # What follows the end of an answer is not part of it.
                    add = rows[slot].add
                    if any(add(x, self._model, self._metrics) for x in tokens):
                        del self._slots[slot]
            except Exception as error:
                self._fail(error)

    def _drop_gone(self):
        rows = [row for row in self._waiting if not row.is_gone]
        self._waiting = collections.deque(rows)
        for slot in [s for s, row in self._slots.items() if row.is_gone]:
            del self._slots[slot]

    def _admit(self):
        """Give free slots to the requests that have waited for longest."""
        while self._waiting and len(self._slots) < self._most_slots:
            row = self._waiting[0]
            slots = range(self._most_slots)
            free = next(slot for slot in slots if slot not in self._slots)
            if self._slots and not self._has_room(free, row):
                return
            self._slots[free] = self._waiting.popleft()

    def _has_room(self, slot, row):
        """Whether the caches stay within their limit with one more row."""
        size = self._size_for(self._slots | {slot: row})
        return self._num_bytes(*size) <= self._most_bytes

    def _num_bytes(self, number, length):
        return number * (length + self._spare) * self._cache_bytes

    def _size_for(self, rows):
        """The number of slots and their length, with some rows in them."""
        length = self._length(rows.values())
        number = min(power_of_two(max(rows) + 1), self._most_slots)
        grown = tuple(map(max, (number, length), self._size))
        is_new = all(row.num_read == 0 for row in rows.values())
        is_small = 4 * number * length < math.prod(self._size)
        # Slots shrink where they would be too many, or else seldom.
        if self._num_bytes(*grown) > self._most_bytes or is_new and is_small:
            return number, length
        return grown

    def _length(self, rows):
        """The length of slots that hold any of some rows."""
        longest = max(row.request.length for row in rows)
        length = max(_SHORTEST, power_of_two(longest))
        return min(length, self._model.context)

    def _fail(self, error):
        """Answer all that run with an error, and begin anew."""
        if isinstance(error, ValueError):
            # Not what a client did: requests are checked before they come here.
            cause = error
            error = RuntimeError("A step of the slots failed.")
            error.__cause__ = cause
        for row in self._slots.values():
            row.pieces.put_nowait(error)
        self._slots.clear()
        self._size = _NO_SLOTS

    # === In the thread that runs the model ===

    def _advance(self, rows):
        """Read parts of prompts, then step the rows that are ready."""
        self._resize(rows)
        room = _TOKENS_A_STEP
        for slot, row in rows.items():
            if row.num_read == 0:
                self._fill(slot, row)
            if not row.is_ready and room > 0:
                room -= self._read(slot, row, room)
        ready = {slot: row for slot, row in rows.items() if row.is_ready}
        return self._step(rows, ready) if ready else {}

    def _resize(self, rows):
        """Have slots for all rows, long enough for the longest."""
        wanted = self._size_for(rows)
        if wanted == self._size:
            return
        # What an engine before this one, or a failure, has left is nothing.
        numbers = (0, wanted[0]) if self._size == _NO_SLOTS else wanted[:1]
        for number in numbers:
            inputs = {"num_slots": number, "length": wanted[1]}
            inputs["spare"] = self._spare
            self._call("resize_slots", inputs)
            if self._drafts:
                self._drafts.resize(inputs)
        self._size = wanted

    def _fill(self, slot, row):
        """Copy what is known of a prompt's beginning."""
        known, arrays = self._prefixes.find(row.token_ids[:-1])
        if not known:
            return
        keys, values = arrays
        place = {"slot": slot, "index": 0}
        self._call("fill_slot", place | {"keys": keys, "values": values})
        row.num_read = known
        self._metrics.reused_tokens.inc(known)

    def _read(self, slot, row, room):
        """Read a part of a prompt; the number of tokens."""
        start = row.num_read
        end = len(row.token_ids) - 1
        if end > start + room:
            # A part that is not the last is of whole blocks.
            end = start + room // BLOCK * BLOCK
        if end == start:
            return room
        part = {"token_ids": np.array(row.token_ids[start:end], "int32")}
        answer = self._call(
            "read_into_slot", {"slot": slot, "index": start} | part
        )
        if self._prefixes.max_bytes:
            arrays = (answer[name].numpy() for name in ("keys", "values"))
            self._prefixes.add(row.token_ids, start, *arrays)
        row.num_read = end
        self._metrics.read_tokens.inc(end - start)
        return end - start

    def _step(self, rows, ready):
        """The next tokens of each row that is ready."""
        num_read = {slot: row.num_read for slot, row in rows.items()}
        texts = {slot: row.token_ids for slot, row in ready.items()}
        inputs = step_inputs(num_read, ready, texts)
        self._metrics.steps.inc()
        drafts = self._drafts_of(rows, ready)
        if drafts:
            chosen = self._verify(inputs, ready, drafts)
        else:
            chosen = self._step_plainly(inputs, ready)
        if self._drafts:
            self._drafts.settle(ready)
        return chosen

    def _step_plainly(self, inputs, ready):
        """The next token of each row that is ready."""
        requests = [row.request for row in ready.values()]
        inputs["num_top"] = max(request.num_top for request in requests)
        answer = self._call("step_slots", inputs)
        answer = {name: x.numpy() for name, x in answer.items()}
        for row in ready.values():
            row.num_read += 1
            learn(row, 0, True)
        return {
            slot: [_token(answer, slot, row.request.num_top)]
            for slot, row in ready.items()
        }

    def _drafts_of(self, rows, ready):
        """The drafts of each slot; nothing where they would not pay."""
        is_asked = any(row.request.num_top >= 0 for row in ready.values())
        eager = [slot for slot, row in ready.items() if not row.pause]
        if not self._drafts or is_asked or 2 * len(eager) < len(ready):
            return {}
        most = self._drafts.most(drafts_a_row(len(ready)), ready)
        drafts = self._drafts.propose(
            rows,
            {slot: min(most, row.num_left - 1) for slot, row in ready.items()},
        )
        num_eager = sum(len(drafts[slot]) > 0 for slot in eager)
        return drafts if 2 * num_eager >= len(ready) else {}

    def _verify(self, inputs, ready, drafts):
        """The next tokens of rows of which some have drafts."""
        most = max(map(len, drafts.values()))
        first = inputs["token_ids"]
        token_ids = np.zeros((len(first), 1 + most), "int32")
        token_ids[:, 0] = first
        num_drafts = np.zeros(len(first), "int32")
        for slot, ids in drafts.items():
            num_drafts[slot] = len(ids)
            token_ids[slot, 1 : 1 + len(ids)] = ids
        inputs |= {"token_ids": token_ids, "num_drafts": num_drafts}
        answer = self._call("verify_slots", inputs)
        answer = {name: x.numpy() for name, x in answer.items()}
        chosen = {}
        for slot, row in ready.items():
            count, accepted = len(drafts[slot]), answer["num_accepted"][slot]
            row.num_read += int(accepted) + 1
            learn(row, count, accepted >= self._drafts.fewest_accepted(count))
            ids = answer["token_ids"][slot, : accepted + 1].tolist()
            chosen[slot] = [SlotToken(token_id) for token_id in ids]
            self._metrics.drafted_tokens.inc(count)
            self._metrics.accepted_tokens.inc(int(accepted))
        return chosen

    def _call(self, name, inputs):
        return self._model.call_on_tensors(name, inputs)


def _token(answer, slot, num_top):
    token_id = int(answer["token_ids"][slot])
    if num_top < 0:
        return SlotToken(token_id)
    names = ("top_token_ids", "top_log_probabilities")
    best = (answer[name][slot, :num_top].tolist() for name in names)
    log_probability = float(answer["log_probabilities"][slot])
    return SlotToken(token_id, log_probability, tuple(zip(*best, strict=True)))
