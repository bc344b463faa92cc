import pytest

from keras_gpt3.converters.checkpoint_families import FAMILIES
from keras_gpt3.converters.complete_arguments import HARMLESS_KEYS
from keras_gpt3.converters.complete_arguments import REQUIRED_VALUES
from keras_gpt3.converters.complete_arguments import SUMMARY_KEYS


def test_no_key_is_both_harmless_and_required():
    assert not HARMLESS_KEYS & set(REQUIRED_VALUES)


def test_the_summary_is_of_another_head():
    assert "summary_type" in SUMMARY_KEYS
    assert all(key.startswith("summary_") for key in SUMMARY_KEYS)


@pytest.mark.parametrize(
    "family", FAMILIES.values(), ids=lambda f: f.model_type
)
def test_no_key_that_a_family_reads_is_harmless_to_it(family):
    keys = [*family.renamed_keys.values(), *family.other_keys]
    names = {name for key in keys for name in key.names}
    harmless = HARMLESS_KEYS | family.harmless_keys
    assert not names & (harmless | set(REQUIRED_VALUES))
    assert not set(family.required_values) & harmless
