"""What the hub's datasets hold, typed from their published definitions.

A kind is that of a task's field. A list of one item is a list of such values;
a dict is an object with at least these keys, where `datasets` gives a sequence
of objects as an object of lists. Where each was read is in docs/datasets.md.
"""

_SUPER_GLUE = "aps/super_glue"
_ARC = {
    "id": "string",
    "question": "string",
    "choices": {"text": ["string"], "label": ["string"]},
    "answerKey": "string",
}
_WMT = {"translation": {}}
_THREE = ("train", "validation", "test")
_NUMBERS = {"idx": "integer", "label": "integer"}
_ANSWERS = {"input_text": ["string"]}
_DATE = {"day": "string", "month": "string", "year": "string"}

# Path and configuration -> its splits and its fields.
SCHEMAS = {
    ("facebook/anli", None): (
        tuple(
            f"{split}_r{number}"
            for split in ("train", "dev", "test")
            for number in (1, 2, 3)
        ),
        {
            "uid": "string",
            "premise": "string",
            "hypothesis": "string",
            "label": "integer",
            "reason": "string",
        },
    ),
    ("allenai/ai2_arc", "ARC-Challenge"): (_THREE, _ARC),
    ("allenai/ai2_arc", "ARC-Easy"): (_THREE, _ARC),
    ("allenai/openbookqa", "main"): (
        _THREE,
        {
            "id": "string",
            "question_stem": "string",
            "choices": {"text": ["string"], "label": ["string"]},
            "answerKey": "string",
        },
    ),
    (_SUPER_GLUE, "boolq"): (
        _THREE,
        {"question": "string", "passage": "string", **_NUMBERS},
    ),
    (_SUPER_GLUE, "cb"): (
        _THREE,
        {"premise": "string", "hypothesis": "string", **_NUMBERS},
    ),
    (_SUPER_GLUE, "rte"): (
        _THREE,
        {"premise": "string", "hypothesis": "string", **_NUMBERS},
    ),
    (_SUPER_GLUE, "copa"): (
        _THREE,
        {
            "premise": "string",
            "choice1": "string",
            "choice2": "string",
            "question": "string",
            **_NUMBERS,
        },
    ),
    (_SUPER_GLUE, "multirc"): (
        _THREE,
        {
            "paragraph": "string",
            "question": "string",
            "answer": "string",
            "idx": {
                "paragraph": "integer",
                "question": "integer",
                "answer": "integer",
            },
            "label": "integer",
        },
    ),
    (_SUPER_GLUE, "record"): (
        _THREE,
        {
            "passage": "string",
            "query": "string",
            "entities": ["string"],
            "answers": ["string"],
            "idx": {"passage": "integer", "query": "integer"},
        },
    ),
    (_SUPER_GLUE, "wic"): (
        _THREE,
        {
            "word": "string",
            "sentence1": "string",
            "sentence2": "string",
            "start1": "integer",
            "start2": "integer",
            "end1": "integer",
            "end2": "integer",
            **_NUMBERS,
        },
    ),
    (_SUPER_GLUE, "wsc.fixed"): (
        _THREE,
        {
            "text": "string",
            "span1_index": "integer",
            "span2_index": "integer",
            "span1_text": "string",
            "span2_text": "string",
            **_NUMBERS,
        },
    ),
    ("EleutherAI/coqa", None): (
        ("train", "validation"),
        {
            "id": "string",
            "source": "string",
            "story": "string",
            "questions": _ANSWERS,
            "answers": _ANSWERS,
            "additional_answers": {
                "0": _ANSWERS,
                "1": _ANSWERS,
                "2": _ANSWERS,
            },
        },
    ),
    ("EleutherAI/drop", None): (
        ("train", "validation"),
        {
            "section_id": "string",
            "passage": "string",
            "question": "string",
            "query_id": "string",
            "answer": {"number": "string", "date": _DATE, "spans": ["string"]},
            "validated_answers": {
                "number": ["string"],
                "date": [_DATE],
                "spans": [["string"]],
            },
        },
    ),
    ("Rowan/hellaswag", None): (
        _THREE,
        {
            "ind": "integer",
            "activity_label": "string",
            "ctx_a": "string",
            "ctx_b": "string",
            "ctx": "string",
            "endings": ["string"],
            "source_id": "string",
            "split": "string",
            "split_type": "string",
            "label": "string",
        },
    ),
    ("EleutherAI/lambada_openai", "default"): (("test",), {"text": "string"}),
    ("google-research-datasets/nq_open", None): (
        ("train", "validation"),
        {"question": "string", "answer": ["string"]},
    ),
    ("baber/piqa", None): (
        _THREE,
        {
            "goal": "string",
            "sol1": "string",
            "sol2": "string",
            "label": "integer",
        },
    ),
    ("allenai/quac", None): (
        ("train", "validation"),
        {
            "dialogue_id": "string",
            "wikipedia_page_title": "string",
            "background": "string",
            "section_title": "string",
            "context": "string",
            "turn_ids": ["string"],
            "questions": ["string"],
            "followups": ["integer"],
            "yesnos": ["integer"],
            "answers": {"texts": [["string"]]},
            "orig_answers": {"texts": ["string"]},
        },
    ),
    **{
        ("ehovy/race", name): (
            _THREE,
            {
                "example_id": "string",
                "article": "string",
                "answer": "string",
                "question": "string",
                "options": ["string"],
            },
        )
        for name in ("high", "middle")
    },
    ("rajpurkar/squad_v2", None): (
        ("train", "validation"),
        {
            "id": "string",
            "title": "string",
            "context": "string",
            "question": "string",
            "answers": {"text": ["string"]},
        },
    ),
    ("LSDSem/story_cloze", "2016"): (
        ("validation", "test"),
        {
            "story_id": "string",
            **{f"input_sentence_{i}": "string" for i in (1, 2, 3, 4)},
            "sentence_quiz1": "string",
            "sentence_quiz2": "string",
            "answer_right_ending": "integer",
        },
    ),
    ("mandarjoshi/trivia_qa", "rc.nocontext"): (
        _THREE,
        {
            "question": "string",
            "question_id": "string",
            "question_source": "string",
            "entity_pages": {},
            "search_results": {},
            "answer": {"aliases": ["string"], "value": "string"},
        },
    ),
    ("stanfordnlp/web_questions", None): (
        ("train", "test"),
        {"url": "string", "question": "string", "answers": ["string"]},
    ),
    ("lighteval/winograd_wsc", "wsc273"): (
        ("test",),
        {
            "text": "string",
            "pronoun": "string",
            "pronoun_loc": "integer",
            "quote": "string",
            "quote_loc": "integer",
            "options": ["string"],
            "label": "integer",
            "source": "string",
        },
    ),
    ("allenai/winogrande", "winogrande_xl"): (
        _THREE,
        {
            "sentence": "string",
            "option1": "string",
            "option2": "string",
            "answer": "string",
        },
    ),
    ("wmt/wmt14", "fr-en"): (_THREE, _WMT),
    ("wmt/wmt16", "de-en"): (_THREE, _WMT),
    ("wmt/wmt16", "ro-en"): (_THREE, _WMT),
}

_TYPES = {"string": str, "integer": int}


def kind_of(schema):
    """The kind that a task's field has for it."""
    if isinstance(schema, str):
        return schema
    return "list" if isinstance(schema, list) else "object"


def conforms(value, schema):
    """Whether a record's value is what the schema says."""
    if isinstance(schema, str):
        return isinstance(value, _TYPES[schema])
    if isinstance(schema, list):
        (item,) = schema
        return isinstance(value, list) and all(
            conforms(one, item) for one in value
        )
    return isinstance(value, dict) and all(
        conforms(value[key], part)
        for key, part in schema.items()
        if key in value
    )
