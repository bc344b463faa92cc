"""BLEU as the paper has it twice: SacreBLEU's, and multi-bleu.perl's.

Both are computed from counts of n-grams that can be added up, over the
examples of a resample too. Table 3.4 of Brown et al. 2020 has multi-bleu.perl
with XLM's tokenization; Appendix H has SacreBLEU as well, with the signature
`BLEU+case.mixed+numrefs.1+smooth.exp+tok.intl+version.1.2.20` (footnote f of
Table 3.4).
"""

import functools

import numpy as np

from keras_gpt3.needed_packages import needed_packages

# Of sacrebleu: the longest n-gram.
_ORDER = 4


def bleu_counts(predictions, references, tokenize="intl"):
    """Count the n-grams of each translation that BLEU is computed from.

    `tokenize` is sacrebleu's: `"intl"` is the paper's, `"none"` is of texts
    whose tokens stand between spaces.
    """
    if len(predictions) != len(references) or not all(references):
        raise ValueError(
            "Each prediction must have at least one reference. Received: "
            f"{len(predictions)} predictions, references of lengths "
            f"{[len(texts) for texts in references]}. Give one for each."
        )
    # Without an effective order it would log a warning; counts do not differ.
    # Forced: it would warn of texts that look tokenized, as these are.
    bleu = _import_sacrebleu().BLEU(
        effective_order=True, tokenize=tokenize, force=True
    )
    rows = []
    for prediction, texts in zip(predictions, references, strict=True):
        score = bleu.sentence_score(prediction, list(texts))
        lengths = [score.sys_len, score.ref_len]
        rows.append([*lengths, *score.counts, *score.totals])
    return np.array(rows, np.int64).reshape(-1, 2 + 2 * _ORDER)


def bleu_of_counts(sums, smooth_method="exp"):
    """Return the BLEU of added-up counts, as sacrebleu's `corpus_bleu`."""
    compute = _import_sacrebleu().BLEU.compute_bleu
    rows = np.asarray(sums)
    scores = [
        compute(
            correct=row[2 : 2 + _ORDER],
            total=row[2 + _ORDER :],
            sys_len=row[0],
            ref_len=row[1],
            smooth_method=smooth_method,
        ).score
        for row in rows.reshape(-1, rows.shape[-1]).tolist()
    ]
    return np.array(scores, np.float64).reshape(rows.shape[:-1])


def multi_bleu_of_counts(sums):
    """Return the BLEU of added-up counts, as multi-bleu.perl.

    It smooths nothing: where no n-gram of some length agrees, BLEU is 0.
    """
    return bleu_of_counts(sums, smooth_method="none")


def moses_tokens(text, language):
    """Tokenize a text as XLM's tools/tokenize.sh does, with spaces between.

    Its four steps are scripts of Moses, of which sacremoses is a port:
    punctuation of wide characters is replaced, other punctuation normalized,
    characters that do not print removed, and the text tokenized, without
    escapes. For Romanian nothing is added, as in that script: diacritics stay.
    """
    normalizer, tokenizer = _moses(language)
    text = normalizer.normalize(text)
    return tokenizer.tokenize(text, escape=False, return_str=True)


@functools.lru_cache(maxsize=8)
def _moses(language):
    """The steps of a language, which read its abbreviations once."""
    sacremoses = import_sacremoses()
    normalizer = sacremoses.MosesPunctNormalizer(
        lang=language,
        pre_replace_unicode_punct=True,
        post_remove_control_chars=True,
        perl_parity=True,
    )
    return normalizer, sacremoses.MosesTokenizer(lang=language)


def import_sacremoses():
    """Import what the metric multi_bleu needs, or say how to get it."""
    with needed_packages(
        "Tokens of multi_bleu must come from the package sacremoses",
        "translation",
    ):
        import sacremoses
    return sacremoses


def _import_sacrebleu():
    with needed_packages(
        "BLEU must come from the package sacrebleu", "evaluate"
    ):
        import sacrebleu
    return sacrebleu.metrics
