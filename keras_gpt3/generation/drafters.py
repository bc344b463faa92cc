"""What drafts the next tokens of an answer: its own text, or a smaller model.

Letters: B rows, L length of the rows, G drafts of a row.
"""

from keras import ops

from keras_gpt3.generation.decode_loop import positions_from
from keras_gpt3.generation.decode_loop import token_before
from keras_gpt3.generation.decode_loop import write_tokens
from keras_gpt3.generation.sampling_steps import settings_steps

# Tokens of a pass over all rows: about as many as cost little more than one,
# where reading the weights takes the time.
_TOKENS_OF_A_PASS = 8
# Steps without drafts after the first that were rejected, where a model drafts:
# one of a layer with the head of GPT-3 Small takes a third of a step a draft.
FIRST_PAUSE_OF_A_MODEL = 16


def half_up(number):
    """The half of an integer, or of a tensor, rounded up."""
    return (number + 1) // 2


def drafts_a_row(num_rows):
    """How many tokens to draft for each of some rows."""
    return max(1, _TOKENS_OF_A_PASS // num_rows - 1)


class PromptLookup:
    """Drafts what followed the last tokens when they occurred before.

    The latest earlier place in prompt and answer counts, of the last three
    tokens if there is one, else of the last two.
    """

    first_pause = 1

    def __init__(self, num_drafts):
        self.num_drafts = num_drafts

    def has_drafts(self, token_ids, index):
        """Whether a row's last tokens have occurred before, (B,)."""
        return self._place(token_ids, index) > 0

    def most(self, next_pause):
        """How many drafts of a row are to be checked."""
        return self.num_drafts

    def fewest_accepted(self, num_drafts):
        """How many must be accepted for drafts to pay."""
        # A pass of several tokens takes less than two passes.
        return ops.minimum(num_drafts, 1)

    def propose(self, token_ids, index, memory, most):
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

    It remembers its cache, and how many positions of each row that holds. Its
    own steps take time: it drafts half as much until drafts were good, and
    pauses for long where they were not.
    """

    first_pause = FIRST_PAUSE_OF_A_MODEL

    def __init__(self, num_drafts, score, settings, padding_mask):
        self.num_drafts = num_drafts
        self._score = score
        lengths = ops.sum(ops.cast(padding_mask, "int32"), axis=-1)
        self._next_logits, self._choose = settings_steps(
            settings, self._score_position, lengths
        )

    def has_drafts(self, token_ids, index):
        """Every row has some."""
        return ops.ones_like(index, dtype="bool")

    def most(self, next_pause):
        """How many drafts of a row are to be checked."""
        was_good = ops.any(next_pause < self.first_pause)
        return ops.where(was_good, self.num_drafts, half_up(self.num_drafts))

    def fewest_accepted(self, num_drafts):
        """How many must be accepted for drafts to pay."""
        return half_up(num_drafts)

    def propose(self, token_ids, index, memory, most):
        """Drafts (B, G), after reading what it has not read yet."""
        cache, _ = self._catch_up(token_ids, index, memory)
        room = ops.zeros_like(token_ids[:, :1])
        room = ops.repeat(room, self.num_drafts, axis=1)

        # One step more than there are drafts, to have read the last one.
        def is_unfinished(number, token_ids, cache):
            return number <= most

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
        places = positions_from(index, self.num_drafts)
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
            places = ops.minimum(positions_from(num_read, count), length - 1)
            tokens = ops.take_along_axis(token_ids, places, axis=1)
            _, cache = self._score(tokens, cache, num_read)
            return cache, ops.minimum(num_read + count, index - 1)

        return ops.while_loop(is_behind, read, memory)

    def _score_position(self, token_ids, cache, index):
        last = token_before(token_ids, index)[:, None]
        logits, cache = self._score(last, cache, index - 1)
        return logits[:, 0], cache
