"""Several corpora, sampled by weight in exact proportion (TensorFlow)."""

import contextlib
import fractions
import hashlib
import itertools
import math
import numbers

import numpy as np

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.data.context_order import context_order
from keras_gpt3.data.token_shards import TokenShards


class Mixture:
    """A mixture of token shards that a run samples by weight.

    As in section 2.2 of the paper, how often a set is read does not follow
    its size: some sets are seen several times and others not even once.
    Here a set has its share to the last sample, not on average. The samples of
    a run are cut into blocks. Where the weights have a common denominator of at
    most 65536, every block holds exactly each set's share. Otherwise shares
    are rounded to multiples of 2**-32, and after every block each set is less
    than one sample from its share of all samples so far. The samples of a block
    are shuffled over the sets. A set's contexts are dealt out without
    replacement until all of them were, so that within a block, whose samples
    come in any order, one may come again a little before the last of them.

    Which context a sample reads is a closed form of seed and sample. It
    depends on the names of the sets and on their order in `shards`. A context
    of the mixture is a number: the contexts of the first set come first.

    Args:
        shards: dict of string to `TokenShards` or path. The sets by name.
        weights: dict of string to number. The weight of each set. Only their
            ratios count: those of table 2.2 of the paper add up to 101%.

    Raises:
        FileNotFoundError: If a folder holds no shards.
        ValueError: If there is no set, `weights` names other sets, a weight
            is not positive or is too small beside the others, the sets differ
            in tokenizer, or a set's shards are damaged.

    Example:

    ```python
    import tempfile

    import keras_gpt3

    tokenizer = keras_gpt3.GPT3Tokenizer.from_preset("gpt3_small_en")
    novels, letters = (
        keras_gpt3.data.write_token_shards(
            [text] * 10, tempfile.mkdtemp(), tokenizer
        )
        for text in ("Once upon a time", "Dear Sir or Madam")
    )
    mixture = keras_gpt3.data.Mixture(
        {"novels": novels, "letters": letters},
        {"novels": 60, "letters": 40},
    )
    dataset = keras_gpt3.data.packed_dataset(mixture, 8, batch_size=2)
    print(mixture.epochs(num_contexts=100, sequence_length=8))
    ```
    """

    def __init__(self, shards, weights):
        _check_names(shards, weights)
        _check_weights(weights)
        self._sets = {}
        for name, corpus in shards.items():
            with _naming(name):
                is_open = isinstance(corpus, TokenShards)
                self._sets[name] = corpus if is_open else TokenShards(corpus)
        for field in ("vocabulary_size", "dtype", "end_token_id"):
            self._check_alike(field)
        self._quotas = MixtureQuotas({name: weights[name] for name in shards})

    @property
    def end_token_id(self):
        """int. The id that follows every document."""
        return next(iter(self._sets.values())).end_token_id

    @property
    def vocabulary_size(self):
        """int. All ids lie below it."""
        return next(iter(self._sets.values())).vocabulary_size

    @property
    def num_tokens(self):
        """int. The number of tokens in all sets."""
        return sum(corpus.num_tokens for corpus in self._sets.values())

    @property
    def block_size(self):
        """int. The number of samples after which all shares are exact."""
        return self._quotas.block_size

    def num_contexts(self, sequence_length):
        """Count the full contexts in all sets.

        Args:
            sequence_length: int. Tokens that a context predicts.

        Returns:
            An int.

        Raises:
            ValueError: If a set is shorter than one context.
        """
        return int(self._bounds(sequence_length)[-1])

    def num_samples(self, epochs, sequence_length):
        """Raise, as the sets of a mixture end at different times.

        Args:
            epochs: float. Passes over the data. `TokenShards` counts them.
            sequence_length: int. Tokens that a context predicts.

        Raises:
            ValueError: Always.
        """
        raise ValueError(
            "epochs must be None with a mixture, whose sets are each seen "
            f"another number of times. Received: epochs={epochs}. Count "
            "batches instead, as with dataset.take(num_steps)."
        )

    def order(self, samples, sequence_length, seed):
        """Return the context that each sample of a run reads.

        Args:
            samples: int64 tensor of shape `(count,)`. Numbers of samples of
                the run, below 2**51 if shares are rounded.
            sequence_length: int. Tokens that a context predicts.
            seed: int. Determines the order.

        Returns:
            An int64 tensor of shape `(count,)`, the contexts' numbers.
        """
        import tensorflow as tf

        bounds = self._bounds(sequence_length)
        slots = context_order(samples, self.block_size, _seed(seed))
        sets, ranks = self._quotas.locate(samples // self.block_size, slots)
        seeds = [_seed(seed, name) for name in self._sets]
        contexts = context_order(ranks, np.diff(bounds), seeds, sets)
        return contexts + tf.gather(bounds[:-1], sets)

    def read_contexts(self, contexts, sequence_length):
        """Read contexts by their numbers.

        Args:
            contexts: int array of shape `(count,)`. Numbers of contexts.
            sequence_length: int. Tokens that a context predicts.

        Returns:
            An int32 array of shape `(count, sequence_length + 1)`.
        """
        tokens = np.empty((len(contexts), sequence_length + 1), np.int32)
        sets, inner = self._locate(contexts, sequence_length)
        for number, corpus in enumerate(self._sets.values()):
            rows = np.flatnonzero(sets == number)
            if len(rows):
                tokens[rows] = corpus.read_contexts(
                    inner[rows], sequence_length
                )
        return tokens

    def describe_context(self, context, sequence_length):
        """Name a context for a log: the set and the context in it.

        Args:
            context: int. The context's number.
            sequence_length: int. Tokens that a context predicts.

        Returns:
            A string such as `"novels:1234"`.
        """
        sets, inner = self._locate([context], sequence_length)
        return f"{list(self._sets)[sets[0]]}:{inner[0]}"

    def epochs(self, num_contexts, sequence_length):
        """Count how many times each set is seen, as in table 2.2 of the paper.

        Args:
            num_contexts: int. The number of samples of a run.
            sequence_length: int. The number of tokens that a context predicts.

        Returns:
            A dict of each set's name to a float, the number of passes.

        Raises:
            ValueError: If a set is shorter than one context.
        """
        check_integer("num_contexts", num_contexts, minimum=0)
        sizes = np.diff(self._bounds(sequence_length)).tolist()
        return {
            name: float(share * int(num_contexts) / size)
            for (name, share), size in zip(
                self._quotas.shares.items(), sizes, strict=True
            )
        }

    def counts(self, num_contexts):
        """Count the samples of each set in the whole blocks of a run.

        Args:
            num_contexts: int. The number of samples of a run. Those after its
                last whole block are left out, as which sets they read
                depends on the seed.

        Returns:
            A dict of each set's name to an int, exact for every seed.
        """
        check_integer("num_contexts", num_contexts, minimum=0)
        ends = self._quotas.ends(int(num_contexts) // self.block_size)
        return dict(zip(self._sets, np.diff(ends).tolist(), strict=True))

    def _bounds(self, sequence_length):
        """The first context of each set, and the end of the last."""
        sizes = []
        for name, corpus in self._sets.items():
            with _naming(name):
                sizes.append(corpus.num_contexts(sequence_length))
        return np.cumsum([0, *sizes])

    def _locate(self, contexts, sequence_length):
        """Return each context's set and its number in that set."""
        contexts = np.asarray(contexts)
        bounds = self._bounds(sequence_length)
        if np.any(contexts < 0) or np.any(contexts >= bounds[-1]):
            raise ValueError(
                "A context must be from 0 to num_contexts - 1. Received: "
                f"contexts={contexts.tolist()}, num_contexts={bounds[-1]}. "
                "Pass those that order gave for this sequence_length."
            )
        sets = np.searchsorted(bounds, contexts, side="right") - 1
        return sets, contexts - bounds[sets]

    def _check_alike(self, field):
        values = {name: getattr(s, field) for name, s in self._sets.items()}
        if len(set(values.values())) > 1:
            raise ValueError(
                f"All sets of a mixture must have the same {field}. Received: "
                f"{field}={values}. Write their shards with one tokenizer."
            )


def _seed(seed, *names):
    """A seed for the mixture, or for one set: unrelated to all the others."""
    text = "/".join([f"{seed}", *names])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


@contextlib.contextmanager
def _naming(name):
    try:
        yield
    except (OSError, ValueError) as error:
        message = f"{error} This is the mixture's set '{name}'."
        raise type(error)(message) from error


def _check_names(shards, weights):
    if not shards:
        raise ValueError(
            f"A mixture must have at least one set. Received: shards={shards}. "
            "Pass a dict of names to token shards."
        )
    if shards.keys() != weights.keys():
        raise ValueError(
            "shards and weights must name the same sets. Received: "
            f"{sorted(shards.keys() - weights.keys())} only in shards, "
            f"{sorted(weights.keys() - shards.keys())} only in weights. Give "
            "each set one weight."
        )


def _check_weights(weights):
    for weight in weights.values():
        is_number = isinstance(weight, numbers.Real)
        if (
            not is_number
            or isinstance(weight, bool)
            or not math.isfinite(weight)
        ):
            raise ValueError(
                "weights must be finite numbers. Received: "
                f"weights={weights}. Pass shares such as 0.6 or 60."
            )
    if min(weights.values()) <= 0:
        raise ValueError(
            f"weights must be positive. Received: weights={weights}. Leave a "
            "set out instead of giving it 0."
        )


# A block is at least as many samples, so that the sets mix well within it.
_MIN_BLOCK = 1024
_MAX_DENOMINATOR = 2**16
_SHARE_BITS = 32
# A block of 2**22 samples then holds 2 of each set, and rounding to 32 bits
# moves no share by more than 0.05%.
_MIN_SHARE_BITS = 21


class MixtureQuotas:
    """How many samples of each block are of each set, as a closed form.

    The first `k` sets together get `F_k(b)` of the samples of the first `b`
    blocks: their share of these, rounded to the nearest integer.
    """

    def __init__(self, weights):
        exact = {k: fractions.Fraction(str(w)) for k, w in weights.items()}
        total = sum(exact.values())
        parts = [0, *(w / total for w in exact.values())]
        cumulative = list(itertools.accumulate(parts))
        denominator = math.lcm(*(share.denominator for share in cumulative))
        if denominator <= _MAX_DENOMINATOR:
            self.block_size = -(-_MIN_BLOCK // denominator) * denominator
            self._shift = 1  # There is nothing to round.
        else:
            # As block_size is a power of two, F_k(b) needs fewer of the bits.
            cumulative = [_rounded(share) for share in cumulative]
            self.block_size = _block_size(weights, np.diff(cumulative))
            self._shift = _SHARE_BITS - self.block_size.bit_length() + 1
        self.shares = dict(zip(weights, np.diff(cumulative), strict=True))
        scaled = [share * self.block_size for share in cumulative]
        self._whole = np.array([share // 1 for share in scaled], np.int64)
        self._part = np.array(
            [share % 1 * 2**self._shift for share in scaled], np.int64
        )

    def ends(self, blocks):
        """Return `F_k` of numbers of blocks, for all `k` from 0.

        The products fit int64 for up to 2**51 samples.
        """
        half = 2 ** (self._shift - 1)
        rounded = (blocks * self._part + half) // 2**self._shift
        return blocks * self._whole + rounded

    def locate(self, blocks, slots):
        """Return each sample's set and its position among the set's samples.

        The slots of a block are dealt out to the sets one after the other.
        """
        import tensorflow as tf

        before = self.ends(blocks[:, None])
        first_slots = self.ends(blocks[:, None] + 1) - before
        is_past = first_slots[:, 1:-1] <= slots[:, None]
        sets = tf.math.count_nonzero(is_past, axis=1, dtype=tf.int32)
        of_set = before[:, 1:] - before[:, :-1] - first_slots[:, :-1]
        return sets, tf.gather(of_set, sets, batch_dims=1) + slots


def _rounded(share):
    unit = 2**_SHARE_BITS
    return fractions.Fraction(round(share * unit), unit)


def _block_size(weights, shares):
    """The power of two that holds at least 2 samples of each set.

    Two values of `F_k` are off by less than 1 together, so no set's count in a
    block could be negative.
    """
    smallest = min(shares)
    if smallest < fractions.Fraction(1, 2**_MIN_SHARE_BITS):
        raise ValueError(
            f"Each weight must be at least 2**-{_MIN_SHARE_BITS} of their "
            f"sum. Received: weights={weights}. Leave out the smallest set, "
            "which hardly any run would read."
        )
    return max(_MIN_BLOCK, 1 << math.ceil(2 / smallest - 1).bit_length())
