"""Speculative decoding: drafts of several tokens, checked in a single pass.

The choice at a position is a pure function of the scores, the seed and the
position (`token_choice.py`). So a draft is accepted exactly if it is the token
that the model itself chooses there, with its own noise: an answer has the same
tokens as without drafts, greedy or drawn, and no other rule is needed. Of a
draft known beforehand as much is accepted as can be without changing the
distribution: with the probability that the model gives it (Leviathan et al.
2023, section 2.3, for a draft distribution that is a point). A draft model that
draws with the same seeds is coupled to the model by their common Gumbel noise,
the more closely the more alike their scores are.

A draft that was rejected leaves keys and values in the rings, at positions
that are yet to come. They are overwritten before a query reaches them; until
then their slots count as those of positions one ring earlier, which no query
sees if the ring has as many spare slots as there are drafts.

Letters: B rows, T positions, L length of the rows, G drafts of a row, V
vocabulary.
"""

import typing

from keras import ops

from keras_gpt3.generation.decode_loop import DecodeState
from keras_gpt3.generation.decode_loop import is_stop_token
from keras_gpt3.generation.decode_loop import token_before
from keras_gpt3.generation.logit_filters import rule_out_unknown
from keras_gpt3.generation.sampling_steps import settings_steps

# Tokens of a pass over all rows: about as many as cost little more than one,
# where reading the weights takes the time.
_TOKENS_OF_A_PASS = 8
# Steps without drafts after some that were rejected, at most.
LONGEST_PAUSE = 64


class Speculation(typing.NamedTuple):
    """What has come of the drafts of a call of `generate` or `stream`.

    `model.speculation` is that of the last call. `rounds` counts the passes
    that checked drafts, `proposed` the tokens of the drafts, and `accepted`
    those that became part of an answer.
    """

    rounds: typing.Any = 0
    proposed: typing.Any = 0
    accepted: typing.Any = 0


class Drafting(typing.NamedTuple):
    """Where drafting stands, between two passes."""

    pause: typing.Any  # Steps that each row is to make without, (B,).
    next_pause: typing.Any  # After the next rejection, (B,).
    counts: Speculation
    memory: typing.Any = ()  # Of a draft model.


def drafts_a_row(num_rows):
    """How many tokens to draft for each of some rows."""
    return max(1, _TOKENS_OF_A_PASS // num_rows - 1)


def chunk_scores(backbone, num_known=None):
    """What scores the tokens after each of several, through a cache."""

    def score(token_ids, cache, start):
        states, cache = backbone.call_with_cache(token_ids, cache, start)
        return rule_out_unknown(backbone.logits(states), num_known), cache

    return score


def speculate_until(
    end,
    score,
    settings,
    drafter,
    state,
    drafting,
    padding_mask,
    stop_token_ids,
    stopping_criteria,
    enough,
):
    """Continue decoding as `decode_until` does, with drafts where they pay.

    `score(token_ids, cache, start)` returns the scores of what follows each of
    the tokens (B, T), and the cache after them; `drafter` is a `PromptLookup`
    or a `DraftModel`. Rows stand each at a position of its own.
    """
    prompt_lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)

    def is_active(state):
        return ~state.finished & (state.index < end)

    def is_unfinished(state, drafting):
        count = ops.sum(ops.cast(state.finished, "int32"))
        return ops.any(is_active(state)) & (count < enough)

    def pays(state, drafting):
        """Whether as many rows have drafts to check as have not."""
        active = is_active(state)
        ready = active & (drafting.pause == 0) & (end - state.index > 1)
        ready = ready & drafter.has_drafts(state.token_ids, state.index)
        ready, active = (ops.sum(ops.cast(x, "int32")) for x in (ready, active))
        return 2 * ready >= active

    def check_drafts(state, drafting):
        has_drafts = drafter.has_drafts(state.token_ids, state.index)
        drafts, memory = drafter.propose(
            state.token_ids, state.index, drafting.memory
        )
        room = ops.clip(end - state.index - 1, 0, drafter.num_drafts)
        num_drafts = ops.where(is_active(state) & has_drafts, room, 0)
        state, accepted = advance(state, drafts, num_drafts)
        memory = drafter.after(memory, state.index)
        return state, _after(
            drafting, num_drafts, accepted, drafter.fewest_accepted, memory
        )

    def step(state, drafting):
        none = ops.zeros_like(state.token_ids[:, :0])
        num_drafts = ops.zeros_like(state.index)
        state, _ = advance(state, none, num_drafts)
        pause = ops.maximum(drafting.pause - 1, 0)
        return state, drafting._replace(pause=pause)

    def advance(state, drafts, num_drafts):
        """Check drafts, and add what is accepted and the token after it."""
        last = token_before(state.token_ids, state.index)
        logits, cache = score(
            ops.concatenate([last[:, None], drafts], axis=1),
            state.cache,
            state.index - 1,
        )
        chosen = _choose(
            settings, logits, state.token_ids, drafts, state.index,
            prompt_lengths,
        )  # fmt: skip
        chosen = ops.cast(chosen, state.token_ids.dtype)  # (B, G + 1)
        going, finished = is_active(state), state.finished
        criteria_state = state.criteria_state
        count = accepted = ops.zeros_like(state.index)
        for place in range(chosen.shape[1]):
            token = chosen[:, place]
            stops = is_stop_token(token, stop_token_ids)
            criteria_state, ends = stopping_criteria(
                criteria_state, token, going
            )
            stops = going & (stops | ends)
            finished = finished | stops
            count = count + ops.cast(going, count.dtype)
            if place < drafts.shape[1]:
                going = going & (place < num_drafts)
                going = going & (token == drafts[:, place])
                accepted = accepted + ops.cast(going, count.dtype)
                going = going & ~stops & (state.index + place + 1 < end)
        token_ids = write_tokens(state.token_ids, chosen, state.index, count)
        index = state.index + count
        return (
            DecodeState(index, token_ids, finished, cache, criteria_state),
            accepted,
        )

    def both(state, drafting):
        # Loops, where a branch would do: XLA writes to a loop's rings in place.
        values = ops.while_loop(
            lambda *x: is_unfinished(*x) & pays(*x),
            check_drafts,
            (state, drafting),
        )
        return ops.while_loop(
            lambda *x: is_unfinished(*x) & ~pays(*x), step, values
        )

    return ops.while_loop(is_unfinished, both, (state, drafting))


def start_drafting(num_rows, memory=()):
    """The state before the first draft."""
    rows = ops.zeros((num_rows,), "int32")
    none = ops.zeros((), "int32")
    return Drafting(rows, rows + 1, Speculation(none, none, none), memory)


def _after(drafting, num_drafts, accepted, fewest_accepted, memory):
    """The state after a check: rows pause whose drafts were not worth it."""
    pause, next_pause, counts, _ = drafting
    checked = num_drafts > 0
    is_good = accepted >= ops.minimum(fewest_accepted, num_drafts)
    longer = ops.minimum(2 * next_pause, LONGEST_PAUSE)
    shorter = ops.maximum(next_pause // 2, 1)
    others = ops.maximum(pause - 1, 0)
    return Drafting(
        ops.where(checked, ops.where(is_good, 0, next_pause), others),
        ops.where(checked, ops.where(is_good, shorter, longer), next_pause),
        Speculation(
            counts.rounds + 1,
            counts.proposed + ops.sum(num_drafts),
            counts.accepted + ops.sum(accepted),
        ),
        memory,
    )


def _choose(settings, logits, token_ids, drafts, index, prompt_lengths):
    """The model's own tokens (B, T) from scores (B, T, V).

    Each is chosen as if the drafts before it were part of the answer; what is
    chosen after a wrong one is not used.
    """
    rows, count = logits.shape[:2]
    room = ops.zeros_like(drafts)
    token_ids = ops.concatenate([token_ids, room], axis=1)
    num_drafts = ops.full_like(index, drafts.shape[1])
    token_ids = write_tokens(token_ids, drafts, index, num_drafts)

    def by_place(x):
        return ops.repeat(x, count, axis=0) if count > 1 else x

    # One value for all rows, or that of each; biases are those of tokens.
    settings = {
        name: by_place(x) if name != "logit_bias" and _has_rows(x) else x
        for name, x in settings.items()
    }
    places = ops.reshape(_positions(index, count), (-1,))
    scores, choose = settings_steps(
        settings,
        lambda token_ids, cache, index: (cache, ()),
        by_place(prompt_lengths),
    )
    logits = ops.reshape(logits, (rows * count, logits.shape[-1]))
    logits, _ = scores(by_place(token_ids), logits, places)
    return ops.reshape(choose(logits, places), (rows, count))


def _has_rows(x):
    return len(getattr(x, "shape", ())) > 0


def _positions(start, count):
    return start[:, None] + ops.arange(count, dtype="int32")


def write_tokens(token_ids, new, index, count):
    """Rows with the first `count` (B,) of new tokens (B, T) from `index` on."""
    if new.shape[1] == 0:
        return token_ids
    length = ops.shape(token_ids)[1]
    place = ops.arange(length, dtype="int32") - index[:, None]  # (B, L)
    is_new = (place >= 0) & (place < count[:, None])
    place = ops.clip(place, 0, ops.shape(new)[1] - 1)
    return ops.where(is_new, ops.take_along_axis(new, place, axis=1), token_ids)


# === Drafters ===


class PromptLookup:
    """Drafts what followed the last tokens when they occurred before.

    The latest earlier place in prompt and answer counts, of the last three
    tokens if there is one, else of the last two.
    """

    # A pass of several tokens takes less than two passes.
    fewest_accepted = 1

    def __init__(self, num_drafts):
        self.num_drafts = num_drafts

    def has_drafts(self, token_ids, index):
        """Whether a row's last tokens have occurred before, (B,)."""
        return self._place(token_ids, index) > 0

    def propose(self, token_ids, index, memory):
        """Drafts (B, G); without meaning where a row has none."""
        place = self._place(token_ids, index)[:, None]
        # The answer so far ends before the draft does where it repeats itself.
        period = ops.maximum(index[:, None] - place, 1)
        offsets = ops.arange(self.num_drafts, dtype="int32")
        places = place + offsets % period
        places = ops.minimum(places, token_ids.shape[1] - 1)
        return ops.take_along_axis(token_ids, places, axis=1), memory

    def after(self, memory, index):
        """What is to be known in the next pass."""
        return memory

    def _place(self, token_ids, index):
        """The place after the earlier tokens, 0 if there is none."""
        length = token_ids.shape[1]
        places = ops.arange(length, dtype="int32")
        matches = [places < index[:, None]]
        for back in (1, 2, 3):
            earlier = ops.pad(
                token_ids, ((0, 0), (back, 0)), constant_values=-1
            )[:, :length]
            # Row starts match nothing: no id is below 0.
            last = ops.maximum(index - back, 0)[:, None]
            last = ops.take_along_axis(token_ids, last, axis=1)
            last = ops.where(index[:, None] >= back, last, -2)
            matches.append(matches[-1] & (earlier == last))
        rank = ops.where(matches[3], places + length, places)
        best = ops.max(ops.where(matches[2], rank, 0), axis=1)
        return best % length


class DraftModel:
    """Drafts what a smaller model chooses, with the same settings and seeds.

    It remembers its cache, and how many positions of each row that holds.
    """

    def __init__(self, num_drafts, score, settings, padding_mask):
        self.num_drafts = num_drafts
        # Its own steps take time: an untrained one of a single layer, with
        # the head of GPT-3 Small, made 0.62 of the plain speed at 1 in 7.
        self.fewest_accepted = (num_drafts + 1) // 2
        self._score = score
        lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)
        self._next_logits, self._choose = settings_steps(
            settings, self._score_position, lengths
        )

    def has_drafts(self, token_ids, index):
        """Every row has some."""
        return ops.ones_like(index, dtype="bool")

    def propose(self, token_ids, index, memory):
        """Drafts (B, G), after reading what it has not read yet."""
        cache, _ = self._catch_up(token_ids, index, memory)
        room = ops.zeros_like(token_ids[:, :1])
        room = ops.repeat(room, self.num_drafts, axis=1)

        # One step more than there are drafts, to have read the last one.
        def is_unfinished(number, token_ids, cache):
            return number <= self.num_drafts

        def draft(number, token_ids, cache):
            place = index + number
            logits, cache = self._next_logits(token_ids, cache, place)
            chosen = self._choose(logits, place)[:, None]
            chosen = ops.cast(chosen, token_ids.dtype)
            token_ids = write_tokens(
                token_ids, chosen, place, ops.ones_like(place)
            )
            return number + 1, token_ids, cache

        start = ops.zeros((), "int32")
        wide = ops.concatenate([token_ids, room], axis=1)
        _, wide, cache = ops.while_loop(
            is_unfinished, draft, (start, wide, cache)
        )
        places = _positions(index, self.num_drafts)
        return ops.take_along_axis(wide, places, axis=1), (cache, index - 1)

    def after(self, memory, index):
        """All but the last token of each row are read."""
        return memory[0], index - 1

    def _catch_up(self, token_ids, index, memory):
        """Read what was added without drafts."""
        count, length = self.num_drafts + 1, token_ids.shape[1]

        def is_behind(cache, num_read):
            return ops.any(num_read < index - 1)

        def read(cache, num_read):
            places = ops.minimum(_positions(num_read, count), length - 1)
            tokens = ops.take_along_axis(token_ids, places, axis=1)
            _, cache = self._score(tokens, cache, num_read)
            return cache, ops.minimum(num_read + count, index - 1)

        return ops.while_loop(is_behind, read, memory)

    def _score_position(self, token_ids, cache, index):
        last = token_before(token_ids, index)[:, None]
        logits, cache = self._score(last, cache, index - 1)
        return logits[:, 0], cache
