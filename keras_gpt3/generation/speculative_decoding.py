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

from keras_gpt3.generation.decode_loop import is_stop_token
from keras_gpt3.generation.decode_loop import positions_from
from keras_gpt3.generation.decode_loop import token_before
from keras_gpt3.generation.decode_loop import write_tokens
from keras_gpt3.generation.logit_filters import rule_out_unknown
from keras_gpt3.generation.sampling_steps import settings_steps

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


def chunk_scores(model, num_known=None):
    """What scores the tokens after each of several, through a cache."""

    def score(token_ids, cache, start):
        logits, _, cache = model.call_with_cache(token_ids, cache, start)
        return rule_out_unknown(logits, num_known), cache

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

    def is_unfinished(state, drafting):
        count = ops.sum(ops.cast(state.finished, "int32"))
        return ops.any(_is_active(state, end)) & (count < enough)

    def pays(state, drafting):
        """Whether as many rows have drafts to check as have not."""
        active = _is_active(state, end)
        ready = active & (drafting.pause == 0) & (end - state.index > 1)
        ready = ready & drafter.has_drafts(state.token_ids, state.index)
        ready, active = (ops.sum(ops.cast(x, "int32")) for x in (ready, active))
        return 2 * ready >= active

    def check_drafts(state, drafting):
        has_drafts = drafter.has_drafts(state.token_ids, state.index)
        most = drafter.most(drafting.next_pause)
        drafts, memory = drafter.propose(
            state.token_ids, state.index, drafting.memory, most
        )
        room = ops.clip(end - state.index - 1, 0, most)
        num_drafts = ops.where(_is_active(state, end) & has_drafts, room, 0)
        state, accepted = advance(state, drafts, num_drafts)
        memory = drafter.after(memory, state.index)
        return state, _after(drafting, num_drafts, accepted, drafter, memory)

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
        return _add_accepted(
            end, state._replace(cache=cache), chosen, drafts, num_drafts,
            stop_token_ids, stopping_criteria,
        )  # fmt: skip

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


def _is_active(state, end):
    return ~state.finished & (state.index < end)


def _add_accepted(
    end, state, chosen, drafts, num_drafts, stop_token_ids, stopping_criteria
):
    """The state with the model's tokens (B, G + 1) up to a wrong draft (B, G).

    Also how many drafts of each row are accepted, (B,).
    """
    chosen = ops.cast(chosen, state.token_ids.dtype)
    going, finished = _is_active(state, end), state.finished
    criteria_state = state.criteria_state
    count = accepted = ops.zeros_like(state.index)
    for place in range(chosen.shape[1]):
        token = chosen[:, place]
        stops = is_stop_token(token, stop_token_ids)
        criteria_state, ends = stopping_criteria(criteria_state, token, going)
        stops = going & (stops | ends)
        finished = finished | stops
        count = count + ops.cast(going, count.dtype)
        if place < drafts.shape[1]:
            going = going & (place < num_drafts)
            going = going & (token == drafts[:, place])
            accepted = accepted + ops.cast(going, count.dtype)
            going = going & ~stops & (state.index + place + 1 < end)
    token_ids = write_tokens(state.token_ids, chosen, state.index, count)
    state = state._replace(
        index=state.index + count,
        token_ids=token_ids,
        finished=finished,
        criteria_state=criteria_state,
    )
    return state, accepted


def start_drafting(num_rows, first_pause, memory=()):
    """The state before the first draft."""
    rows = ops.zeros((num_rows,), "int32")
    none = ops.zeros((), "int32")
    return Drafting(
        rows,
        rows + first_pause,
        Speculation(none, none, none),
        memory,
    )


def _after(drafting, num_drafts, accepted, drafter, memory):
    """The state after a check: rows pause whose drafts were not worth it."""
    pause, next_pause, counts, _ = drafting
    checked = num_drafts > 0
    is_good = accepted >= drafter.fewest_accepted(num_drafts)
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
    places = ops.reshape(positions_from(index, count), (-1,))
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
