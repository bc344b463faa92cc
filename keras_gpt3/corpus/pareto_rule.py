"""Which documents a quality score keeps: good ones, and a few others."""

from keras_gpt3.corpus.stable_hash import stable_uniform


def pareto_draw(uniform, alpha=9.0):
    """Turn a uniform draw into one of NumPy's Pareto distribution.

    `numpy.random.pareto` draws from the Lomax distribution, that is Pareto's
    less 1, and so does this: the inverse of `1 - (1 + x) ** -alpha`.
    """
    return (1.0 - uniform) ** (-1.0 / alpha) - 1.0


def keep_probability(score, alpha=9.0):
    """How likely a document of a score is kept."""
    return (2.0 - score) ** -alpha


def is_kept(score, seed, document_id, alpha=9.0):
    """Whether a document of a score is kept.

    Appendix A of Brown et al. 2020: iff `np.random.pareto(9) > 1 -
    document_score`. The draw is a function of seed and id, so that a rerun, or
    another order, keeps the same documents.
    """
    parts = (document_id,) if isinstance(document_id, str) else document_id
    draw = pareto_draw(stable_uniform(seed, "pareto", *parts), alpha)
    return draw > 1.0 - score
