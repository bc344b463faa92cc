import pytest

from keras_gpt3.converters.tokenizer_json import read_start_token

BYTE_LEVEL = {"type": "ByteLevel", "trim_offsets": False}
TEXT = {"Sequence": {"id": "A", "type_id": 0}}
START = {"SpecialToken": {"id": "</s>", "type_id": 0}}
TOKENS = {"</s>": {"id": "</s>", "ids": [2], "tokens": ["</s>"]}}


def template(*single, tokens=TOKENS):
    return {
        "type": "TemplateProcessing",
        "single": list(single),
        "pair": [],
        "special_tokens": tokens,
    }


def sequence(*processors):
    return {"type": "Sequence", "processors": list(processors)}


@pytest.mark.parametrize(
    ("processor", "start"),
    [
        (None, None),
        (BYTE_LEVEL, None),
        (template(TEXT), None),
        (template(START, TEXT), ("</s>", 2)),
        (sequence(), None),
        (sequence(BYTE_LEVEL, template(START, TEXT)), ("</s>", 2)),
    ],
)
def test_reads_what_stands_before_a_text(processor, start):
    assert read_start_token("a.json", processor) == start


@pytest.mark.parametrize(
    "processor",
    [
        {"type": "RobertaProcessing"},
        template(TEXT, START),
        template(START, TEXT, START),
        template(START, START, TEXT),
        template(START, {"Sequence": {"id": "B", "type_id": 0}}),
        template(START, TEXT, tokens={}),
        template(START, TEXT, tokens={"</s>": {"tokens": ["a"], "ids": []}}),
        template(),
        sequence(template(START, TEXT), template(START, TEXT)),
    ],
)
def test_anything_else_raises(processor):
    with pytest.raises(ValueError, match=r"a\.json', post_processor.*=.* Use"):
        read_start_token("a.json", processor)
