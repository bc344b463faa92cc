"""The tasks, and which of their rules, words and sums are held out.

A prompt holds K demonstrations, lines such as "c>7", and a question, "f>". In
the three families of rules what is to be learned from the prompt is a hidden
rule. In the others it is which task this is: lines begin alike in symbol
removal and reversal, and in addition and the larger number. A description
says it as well, before the first line.

A hash of the rule, the word or the pair of numbers decides whether the model
is trained on it or asked about it, so that nothing is in both.
"""

import dataclasses
import hashlib

LETTERS = "abcdefgh"
CONSONANTS, VOWELS = "bdfgklmnprstvz", "aeiou"
# The paper's are a space and "./!"; a space would cut a word in two for the
# contamination check.
MARKS = ".,/!"
HELD_OUT = 4  # One in so many.


def is_held_out(key):
    """Whether what a text names is for testing only."""
    return hashlib.sha256(key.encode()).digest()[-1] % HELD_OUT == 0


@dataclasses.dataclass(frozen=True)
class RuleFamily:
    """Tasks that differ by a hidden rule, a tuple of numbers."""

    name: str
    title: str
    description: str
    num_letters: int  # In a question.
    limits: tuple  # What each number of a rule is below.
    chance: float  # What guessing gets, once the form of answers is known.
    answer: object  # From a rule and letters to a character.
    share: float = 1.0  # Of the mixture, relative to the other families.

    def rule(self, generator, held_out):
        """Draws a rule of those trained on, or of those held out."""
        while True:
            rule = tuple(generator.randrange(limit) for limit in self.limits)
            if is_held_out(self.fact(rule, None)) == held_out:
                return rule

    def record(self, rule, generator, held_out=False):
        """A question of different letters, and its answer."""
        letters = "".join(generator.sample(LETTERS, self.num_letters))
        return {"question": f"{letters}>", "answer": self.answer(rule, letters)}

    def fact(self, rule, record):
        """What must not be in both training and test: the rule in words."""
        return f"{self.name} {' '.join(map(str, rule))}"

    def best(self, shots):
        """The Bayes-optimal accuracy: a guess unless the letter was shown.

        Of two letters it is less, as which of them counts is hidden as well.
        """
        unseen = (1 - 1 / len(LETTERS)) ** shots
        return 1 - unseen * (1 - self.chance)


@dataclasses.dataclass(frozen=True)
class ItemFamily:
    """One task of many items: words, or pairs of numbers."""

    name: str
    title: str
    description: str
    draw: object  # From a generator to an item.
    key: object  # What of an item decides where it belongs.
    question: object  # From an item and a generator to a text.
    answer: object  # From an item to a text.
    share: float = 1.0
    chance = None

    def rule(self, generator, held_out):
        """There is nothing to draw: the task is always the same."""
        return ()

    def record(self, rule, generator, held_out=False):
        """A question and its answer, of a held-out item or of another."""
        while True:
            item = self.draw(generator)
            if is_held_out(self.key(item)) == held_out:
                break
        question = self.question(item, generator)
        return {"question": f"{question}=", "answer": self.answer(item)}

    def fact(self, rule, record):
        """What must not be in both training and test: the line itself."""
        return "{question}{answer}".format(**record)


# === Hidden rules ===


def look_up(rule, letter):
    """The number that a rule has for a letter."""
    return rule[LETTERS.index(letter)]


SIGNS = RuleFamily(
    "signs",
    "A hidden sign for each letter: c>+",
    "Give the sign of the letter:",
    num_letters=1,
    limits=(2,) * 8,
    chance=1 / 2,
    answer=lambda rule, letters: "+-"[look_up(rule, letters)],
)
DICTIONARY = RuleFamily(
    "dictionary",
    "A hidden digit for each letter: c>7",
    "Give the digit of the letter:",
    num_letters=1,
    limits=(10,) * 8,
    chance=1 / 10,
    answer=lambda rule, letters: str(look_up(rule, letters)),
)
PLACE = RuleFamily(
    "place",
    "The digit of a hidden one of two: bd>7",
    "Give the digit of one letter:",
    num_letters=2,
    limits=(2, *(10,) * 8),
    chance=1 / 10,
    answer=lambda rule, letters: str(look_up(rule[1:], letters[rule[0]])),
    share=2.5,  # The hardest rule.
)

# === Words and numbers ===


def draw_word(generator):
    """A word that can be spoken, such as "tap"."""
    return "".join(map(generator.choice, (CONSONANTS, VOWELS, CONSONANTS)))


def word_key(word):
    """A word is held out of removal and reversal alike."""
    return f"word {word}"


def scrambled(word, generator):
    """The word with a mark between each two letters (section 3.9.2)."""
    marks = generator.choices(MARKS, k=len(word) - 1)
    pairs = zip(marks, word[1:], strict=True)
    return word[0] + "".join(mark + letter for mark, letter in pairs)


def word_family(name, title, description, answer, **options):
    """A task of scrambled words."""
    functions = (draw_word, word_key, scrambled, answer)
    return ItemFamily(name, title, description, *functions, **options)


def pair_key(pair):
    """As `a + b`, so `b + a`; and with one digit as with two."""
    return f"pair {min(pair)} {max(pair)}"


def number_family(name, title, description, num_digits, answer, **options):
    """A task of two numbers; the answer has one digit more, perhaps a 0."""
    limit = 10**num_digits
    return ItemFamily(
        name,
        title,
        description,
        draw=lambda generator: (
            generator.randrange(limit),
            generator.randrange(limit),
        ),
        key=pair_key,
        question=lambda pair, _: " ".join(
            f"{number:0{num_digits}}" for number in pair
        ),
        answer=lambda pair: f"{answer(pair):0{num_digits + 1}}",
        **options,
    )


REMOVAL = word_family(
    "symbol_removal",
    "Symbol removal: t.a!p=tap",
    "Write the word without marks:",
    lambda word: word,
)
ONE_DIGIT = number_family(
    "one_digit_sum",
    "1D+: 4 7=11",
    "Add the two numbers:",
    1,
    sum,
    share=0.5,  # Of 100 pairs.
)
TWO_DIGIT = number_family(
    "two_digit_sum",
    "2D+: 47 38=085",
    "Add the two numbers:",
    2,
    sum,
    share=2.0,  # The harder sum.
)
# What is asked, and what else begins as its lines do.
FAMILIES = (SIGNS, DICTIONARY, PLACE, REMOVAL, ONE_DIGIT, TWO_DIGIT)
COMPANIONS = (
    word_family(
        "reversal",
        "Reversal: t.a!p=pat",
        "Write the word backwards:",
        lambda word: word[::-1],
        share=0.5,
    ),
    *(
        number_family(
            f"larger_of_{digits}",
            "The larger",
            "Write the larger number:",
            digits,
            max,
            share=0.25,
        )
        for digits in (1, 2)
    ),
)
