"""Prompts of the fixtures' records, written by hand after Appendix G."""

# Name of a task, the place of an example, its prompt up to the answer (`None`
# where another row shows it), and the answer.
PROMPTS = [
    (
        "race_h",
        1,
        "Article:\nAnn planted a tree. It grew tall.\n\nQ: What did Ann plant?"
        "\n\nA: a tree\n\nQ: The tree grew _ .\n\nA:",
        " tall",
    ),
    (
        "anli_r2",
        0,
        "anli 2: anli 2: The inn has ten rooms.\nQuestion: The inn is small. "
        "True, False, or Neither?",
        " Neither",
    ),
    ("piqa", 1, "To dry a towel,", " hang it up."),
    ("copa", 0, "The glass broke because", " it fell."),
    (
        "record",
        0,
        "Ann Lind met Bo in Oldham.\n- They spoke of the mill.\n- It had "
        "closed.",
        "\n- Afterwards Ann Lind left the town.",
    ),
    (
        "hellaswag",
        0,
        "Washing a car: A man fills a bucket. He",
        " soaps the car.",
    ),
    ("hellaswag", 1, "Home: How to sweep. Take a broom.", " Sweep."),
    (
        "arc_challenge",
        0,
        "Question: Which of these melts in the sun?\nAnswer:",
        " ice",
    ),
    ("sat_analogies", 0, "puppy is to dog as", " calf is to cow"),
    (
        "winograd",
        0,
        "The cup fell on the plate and the plate",
        " broke because it was thin.",
    ),
    ("winograd", 1, "Ida met Eva after Ida's", " class was over."),
    ("winograd", 2, "The dog saw the cat. The cat", " ran away."),
    (
        "winogrande",
        0,
        "The box did not fit the bag because the box",
        " was too big.",
    ),
    ("multirc", 1, "Ann and Bo sang.\n\nWho sang?", "\n- [False] Max"),
    (
        "storycloze",
        0,
        "Ann lost her hat. She looked everywhere. A boy came by. He held up a "
        "hat.",
        " Ann thanked him.",
    ),
    (
        "coqa",
        1,
        "Mia has two cats. They are grey.\n\nQ: How many cats?\n\nA: two\n\n"
        "Q: What colour?\n\nA:",
        " grey",
    ),
    (
        "drop",
        0,
        "Passage: The team won 3 games in May and 4 in June.\nQuestion: How "
        "many games in all?\nAnswer:",
        " 7",
    ),
    ("drop", 1, None, " Ann, Bo"),
    ("drop", 2, None, " 3 May 1950"),
    ("lambada", 1, "The tea was hot.\n\nHe blew on the", " tea"),
    ("lambada_cloze", 1, "The tea was hot.\n\nHe blew on the ____. ->", " tea"),
    (
        "natural_questions",
        0,
        "Q: Who painted the old bridge?\n\nA:",
        " Mara Lind",
    ),
    ("web_questions", 1, "Q: Where is the mill?\n\nA:", " Oldham"),
    ("triviaqa", 1, "Q: What is 6 times 7?\n\nA:", " 42"),
    (
        "quac",
        1,
        "TITLE: Mara Lind - Life\nPARAGRAPH: Lind was born in Oldham. She "
        "painted.\n\nQ: Where was she born?\n\nA: in Oldham\n\n"
        "Q: Did she marry?\n\nA:",
        " CANNOTANSWER",
    ),
    (
        "squadv2",
        1,
        "Title: The_Mill\n\nBackground: The mill opened in 1931.\n\n"
        "Q: When did it open?\n\nA: 1931\n\nQ: Who built it?\n\nA:",
        " unanswerable",
    ),
    (
        "squadv2",
        2,
        "Title: The_Mill\n\nBackground: The mill closed in 1990.\n\n"
        "Q: When did it close?\n\nA:",
        " 1990",
    ),
    (
        "boolq",
        0,
        "Ice is frozen water.\nquestion: is ice made of water?\nanswer:",
        " yes",
    ),
    (
        "cb",
        0,
        "Bo said that it rains.\nquestion: it rains. true, false, or neither?\n"
        "answer:",
        " neither",
    ),
    (
        "rte",
        1,
        "Ann sings.\nquestion: Ann is ten. True or False?\nanswer:",
        " False",
    ),
    (
        "wic",
        0,
        "He sat on the bank of the river.\nThe bank lent money.\nquestion: Is "
        "the word 'bank' used in the same way in the two sentences above?\n"
        "answer:",
        " no",
    ),
    (
        "wsc",
        1,
        "Passage: Bo gave the book to Max, and Ida liked *him*, too.\n"
        'Question: In the passage above, what does the pronoun "*him*" refer '
        "to?\nAnswer:",
        " ida",
    ),
    (
        "wsc",
        2,
        'Passage: Max liked the cake. He said "*it*," too, was gone.\n'
        'Question: In the passage above, what does the pronoun "*it*" refer '
        "to?\nAnswer:",
        " the cake",
    ),
    ("wmt16_en_ro", 1, "It rains. =", " Plouă."),
    (
        "wmt14_fr_en_zero_shot",
        1,
        "Q: What is the English translation of Il pleut.\n\nA:",
        " It rains.",
    ),
    (
        "news_articles",
        0,
        "Title: Mill Opens Again\nSubtitle: A long wait ends\nArticle:",
        " The old mill opened its doors on Monday.",
    ),
    (
        "novel_words",
        0,
        'A "plim" is a small round boat. An example of a sentence that uses '
        "the word plim is:\n",
        "We crossed the lake in a plim.",
    ),
    (
        "grammar_correction",
        0,
        "Poor English input: She go home.\nGood English output:",
        " She goes home.",
    ),
]
