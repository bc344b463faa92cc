"""Continuous batching: answers share the steps of the model, each in a slot.

At every step waiting requests are admitted to free slots, a part of their
prompts is read, and all slots advance by a token. What ends leaves its slot.
"""

import asyncio
import collections
import dataclasses
import random
import time

import numpy as np

from keras_gpt3.generation.speculative_decoding import LONGEST_PAUSE
from keras_gpt3.generation.speculative_decoding import drafts_a_row
from keras_gpt3.generation.stop_strings import TextPieces
from keras_gpt3.serving.prefix_store import BLOCK
from keras_gpt3.serving.prefix_store import PrefixStore

# Tokens of prompts that are read between two steps: the more, the longer all
# other answers wait. A multiple of the blocks of shared beginnings.
_TOKENS_A_STEP = 8 * BLOCK
# Slots grow by powers of two from here, as answers need.
_SHORTEST = 64


@dataclasses.dataclass(frozen=True)
class SlotRequest:
    """A prompt and how to continue it."""

    token_ids: list
    max_new_tokens: int
    temperature: float = 1.0
    top_k: int = 0
    top_p: float = 1.0
    min_p: float = 0.0
    seed: int = -1  # Draws anew if below 0.
    repetition_penalty: float = 1.0
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0
    logit_bias: tuple = ()  # Pairs of an id and a number.
    stop: tuple = ()  # Bytes.
    # -1: no log-probabilities; else those of the chosen token and so many best.
    num_top: int = -1

    @property
    def length(self):
        """Positions that prompt and answer take."""
        return len(self.token_ids) + self.max_new_tokens

    @property
    def has_penalty(self):
        """Whether the tokens so far matter to the choice of the next."""
        penalties = self.presence_penalty, self.frequency_penalty
        return self.repetition_penalty != 1 or any(penalties)


@dataclasses.dataclass(frozen=True)
class SlotToken:
    """A token of an answer."""

    token_id: int
    log_probability: float | None = None
    top: tuple = ()  # Pairs of an id and its log-probability.


@dataclasses.dataclass(frozen=True)
class SlotPiece:
    """What a step adds to an answer."""

    text: str
    tokens: tuple
    finish_reason: str | None
    num_tokens: int  # So far, without the end of text.


class _Row:
    """An answer on its way."""

    def __init__(self, request):
        self.request = request
        self.token_ids = list(request.token_ids)
        self.num_read = 0  # Tokens whose keys and values are in the slot.
        self.num_tokens = 0
        seed = request.seed
        self.seed = random.randrange(2**31) if seed < 0 else seed
        self.texts = TextPieces([s.decode() for s in request.stop])
        self.pieces = asyncio.Queue()
        self.is_gone = False
        self.arrived = time.monotonic()
        # Steps to make without drafts, and after the next rejection.
        self.pause, self.next_pause = 0, 1

    def drafts(self, count):
        """What followed the last tokens when they occurred before."""
        left = self.request.max_new_tokens - self.num_tokens - 1
        return _looked_up(self.token_ids, min(count, left))

    def learn(self, num_drafts, num_accepted):
        """Pause for longer while drafts are rejected."""
        if num_drafts == 0:
            self.pause = max(self.pause - 1, 0)
        elif num_accepted:
            self.pause, self.next_pause = 0, max(self.next_pause // 2, 1)
        else:
            self.pause = self.next_pause
            self.next_pause = min(2 * self.next_pause, LONGEST_PAUSE)

    @property
    def is_ready(self):
        """Whether all but its last token are read: the step reads that."""
        return self.num_read == len(self.token_ids) - 1


class SlotEngine:
    """Continues many prompts at a time on an export's slots."""

    def __init__(self, model, settings, threads, metrics):
        self._model = model
        self._threads = threads
        self._metrics = metrics
        self._most_slots = settings.max_slots
        self._drafts = settings.speculative == "prompt"
        # The most tokens that a row may draft, when it is alone.
        self._spare = drafts_a_row(1) if self._drafts else 0
        self._most_bytes = settings.max_cache_bytes
        spec = model.signatures["fill_slot"].inputs["keys"]
        layers, _, *head = spec.shape
        self._token_bytes = 2 * layers * np.prod(head) * spec.dtype.size
        self._prefixes = PrefixStore(settings.max_prefix_bytes)
        self._waiting = collections.deque()
        self._slots = {}  # The rows that have a slot.
        self._size = (0, 0)  # Slots that there are, and their length.
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
        row = _Row(request)
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
                    if any(self._add(rows[slot], token) for token in tokens):
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
            if self._slots and not self._has_room(row):
                return
            slots = range(self._most_slots)
            free = next(slot for slot in slots if slot not in self._slots)
            self._slots[free] = self._waiting.popleft()

    def _has_room(self, row):
        """Whether the caches stay within their limit with one more row."""
        length = self._length((*self._slots.values(), row))
        slots = len(self._slots) + 1
        length += self._spare
        return slots * length * self._token_bytes <= self._most_bytes

    def _length(self, rows):
        """The length of slots that hold any of some rows."""
        longest = max(row.request.length for row in rows)
        length = max(_SHORTEST, _power_of_two(longest))
        return min(length, self._model.context)

    def _fail(self, error):
        """Answer all that run with an error, and begin anew."""
        for row in self._slots.values():
            row.pieces.put_nowait(error)
        self._slots.clear()
        self._size = (0, 0)

    def _add(self, row, token):
        """Add a token to an answer; whether that is its last."""
        first = row.num_tokens == 0
        is_end = token.token_id == self._model.end_token_id
        row.token_ids.append(token.token_id)
        text, reason = "", None
        if is_end:
            reason = "stop"
        else:
            row.num_tokens += 1
            text = row.texts.feed(self._text(token.token_id))
            if row.num_tokens == row.request.max_new_tokens:
                reason = "length"
            self._metrics.generated_tokens.inc()
        if reason:
            text += row.texts.finish()
        # A stop string may end in the text that was held back.
        if row.texts.stopped:
            reason = "stop"
        if first:
            waited = time.monotonic() - row.arrived
            self._metrics.first_token_seconds.observe(waited)
        piece = SlotPiece(text, (token,), reason, row.num_tokens)
        row.pieces.put_nowait(piece)
        return reason is not None

    def _text(self, token_id):
        is_special = token_id in self._model.special_token_ids
        return b"" if is_special else self._model.token_bytes[token_id]

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
        length = self._length(rows.values())
        number = min(_power_of_two(max(rows) + 1), self._most_slots)
        wanted, present = (number, length), self._size
        is_new = all(row.num_read == 0 for row in rows.values())
        if not (is_new and 4 * number * length < present[0] * present[1]):
            wanted = tuple(map(max, wanted, present))
        if wanted == present:
            return
        inputs = {"num_slots": wanted[0], "length": wanted[1]}
        inputs["spare"] = self._spare
        self._call("resize_slots", inputs)
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
        arrays = (answer[name].numpy() for name in ("keys", "values"))
        self._prefixes.add(row.token_ids, start, *arrays)
        row.num_read = end
        self._metrics.read_tokens.inc(end - start)
        return end - start

    def _step(self, rows, ready):
        """The next tokens of each row that is ready."""
        count = max(rows) + 1
        inputs = _neutral_inputs(count)
        for slot, row in rows.items():
            # Others write where their prompt's next part will.
            inputs["index"][slot] = row.num_read + 1
        for slot, row in ready.items():
            inputs["token_ids"][slot] = row.token_ids[-1]
            inputs["seed"][slot] = row.seed
            inputs["prompt_length"][slot] = len(row.request.token_ids)
            for name in _OPTIONS:
                inputs[name][slot] = getattr(row.request, name)
        inputs |= _histories(ready, count) | _biases(ready, count)
        self._metrics.steps.inc()
        drafts = self._drafts_of(ready)
        if drafts:
            return self._verify(inputs, ready, drafts)
        requests = [row.request for row in ready.values()]
        inputs["num_top"] = max(request.num_top for request in requests)
        answer = self._call("step_slots", inputs)
        answer = {name: x.numpy() for name, x in answer.items()}
        for row in ready.values():
            row.num_read += 1
            row.learn(0, 0)
        return {
            slot: [_token(answer, slot, row.request.num_top)]
            for slot, row in ready.items()
        }

    def _drafts_of(self, ready):
        """The drafts of each slot; nothing where they would not pay."""
        is_asked = any(row.request.num_top >= 0 for row in ready.values())
        if not self._drafts or is_asked:
            return {}
        count = drafts_a_row(len(ready))
        drafts = {slot: row.drafts(count) for slot, row in ready.items()}
        eager = [s for s, ids in drafts.items() if ids and not ready[s].pause]
        return drafts if 2 * len(eager) >= len(ready) else {}

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
            accepted = int(answer["num_accepted"][slot])
            row.num_read += accepted + 1
            row.learn(len(drafts[slot]), accepted)
            ids = answer["token_ids"][slot, : accepted + 1].tolist()
            chosen[slot] = [SlotToken(token_id) for token_id in ids]
            self._metrics.drafted_tokens.inc(len(drafts[slot]))
            self._metrics.accepted_tokens.inc(accepted)
        return chosen

    def _call(self, name, inputs):
        return self._model.call_on_tensors(name, inputs)


_OPTIONS = (
    "temperature",
    "top_k",
    "top_p",
    "min_p",
    "repetition_penalty",
    "presence_penalty",
    "frequency_penalty",
)
_INTEGERS = ("token_ids", "index", "seed", "prompt_length", "history_length")


def _neutral_inputs(count):
    """The inputs of a step for slots that have nothing to say."""
    inputs = {name: np.zeros(count, "int32") for name in _INTEGERS}
    inputs["index"] += 1
    neutral = SlotRequest([], 0, temperature=0.0)
    for name in _OPTIONS:
        value = getattr(neutral, name)
        dtype = "int32" if name == "top_k" else "float32"
        inputs[name] = np.full(count, value, dtype)
    return inputs


def _histories(ready, count):
    """The tokens so far of the rows whose penalties need them."""
    rows = {s: r for s, r in ready.items() if r.request.has_penalty}
    lengths = np.zeros(count, "int32")
    for slot, row in rows.items():
        lengths[slot] = len(row.token_ids)
    history = np.zeros((count, lengths.max(initial=0)), "int32")
    for slot, row in rows.items():
        history[slot, : lengths[slot]] = row.token_ids
    return {"history": history, "history_length": lengths}


def _biases(ready, count):
    """The biases of all rows, padded by those that add nothing."""
    pairs = {slot: row.request.logit_bias for slot, row in ready.items()}
    most = max(map(len, pairs.values()))
    ids = np.zeros((count, most), "int32")
    biases = np.zeros((count, most), "float32")
    for slot, row in pairs.items():
        for i, (token_id, bias) in enumerate(row):
            ids[slot, i], biases[slot, i] = token_id, bias
    return {"bias_token_ids": ids, "biases": biases}


def _looked_up(token_ids, count):
    """As `PromptLookup` drafts, in numpy."""
    ids = np.array(token_ids)
    size = len(ids)
    for length in (3, 2):
        if size <= length or count < 1:
            continue
        matches = np.ones(size - length, "bool")
        for place in range(length):
            earlier = ids[place : size - length + place]
            matches &= earlier == ids[size - length + place]
        found = np.flatnonzero(matches)
        if len(found):
            start = found[-1] + length
            places = start + np.arange(count) % (size - start)
            return ids[places].tolist()
    return []


def _token(answer, slot, num_top):
    token_id = int(answer["token_ids"][slot])
    if num_top < 0:
        return SlotToken(token_id)
    names = ("top_token_ids", "top_log_probabilities")
    best = (answer[name][slot, :num_top].tolist() for name in names)
    log_probability = float(answer["log_probabilities"][slot])
    return SlotToken(token_id, log_probability, tuple(zip(*best, strict=True)))


def _power_of_two(number):
    """The smallest one that is not below a number."""
    return 2 ** (number - 1).bit_length()
