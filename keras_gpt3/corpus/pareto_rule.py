"""Which documents a quality score keeps: good ones, and a few others."""

from keras_gpt3.corpus.stable_hash import stable_uniform


def pareto_draw(uniform, alpha=9.0):
    """Turn a uniform draw into one of NumPy's Pareto distribution.

    `numpy.random.pareto` draws from the Lomax distribution, that is Pareto's
    less 1, and so does this: the inverse of `1 - (1 + x) ** -alpha`.

    Args:
        uniform: float, at least 0 and below 1.
        alpha: float. The shape. Defaults to `9.0`, the paper's.

    Returns:
        A float of at least 0.

    Example:

    ```python
    from keras_gpt3.corpus.pareto_rule import pareto_draw

    pareto_draw(0.5)  # 0.0801, the median
    ```
    """
    return (1.0 - uniform) ** (-1.0 / alpha) - 1.0


def keep_probability(score, alpha=9.0):
    """How likely a document of a score is kept.

    Args:
        score: float or float array. From 0, bad, to 1, good.
        alpha: float. The shape. Defaults to `9.0`.

    Returns:
        A float or float array: `(2 - score) ** -alpha`.

    Example:

    ```python
    from keras_gpt3.corpus.pareto_rule import keep_probability

    keep_probability(1.0), keep_probability(0.0)  # 1.0, 0.00195
    ```
    """
    return (2.0 - score) ** -alpha


def is_kept(score, seed, document_id, alpha=9.0):
    """Whether a document of a score is kept.

    Appendix A of Brown et al. 2020: iff `np.random.pareto(9) > 1 -
    document_score`. The draw is a function of seed and id, so that a rerun, or
    another order, keeps the same documents.

    Args:
        score: float. From 0, bad, to 1, good.
        seed: int.
        document_id: string, or tuple of strings. What is unique of the
            document.
        alpha: float. The shape. Defaults to `9.0`.

    Returns:
        A bool.

    Example:

    ```python
    from keras_gpt3.corpus.pareto_rule import is_kept

    is_kept(1.0, seed=0, document_id="a")  # True, as good as always
    ```
    """
    parts = (document_id,) if isinstance(document_id, str) else document_id
    draw = pareto_draw(stable_uniform(seed, "pareto", *parts), alpha)
    return draw > 1.0 - score
