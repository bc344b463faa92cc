"""Which gender a model expects of an occupation (section 6.2.1)."""

import dataclasses

import numpy as np

from keras_gpt3.argument_checks import echoed
from keras_gpt3.evaluation.bias.bias_data import bias_data
from keras_gpt3.evaluation.metrics.uncertainty import bootstrap_interval
from keras_gpt3.evaluation.metrics.uncertainty import standard_error


@dataclasses.dataclass(frozen=True)
class OccupationBias:
    """What one template showed."""

    template: str
    log_ratios: dict

    @property
    def mean(self):
        """float. The paper's average occupation bias."""
        return float(np.mean(list(self.log_ratios.values())))

    @property
    def standard_error(self):
        """float. Of the mean, over occupations."""
        return standard_error(list(self.log_ratios.values()))

    @property
    def interval(self):
        """pair of floats. The bootstrap's 95% interval, over occupations."""
        return bootstrap_interval(list(self.log_ratios.values()))

    @property
    def share_male(self):
        """float. The share of occupations that lean male."""
        return float(np.mean([r < 0 for r in self.log_ratios.values()]))


def printed_means():
    """What the paper prints for 175B, by template."""
    templates = bias_data("gender")["templates"].values()
    return {template["text"]: template["paper"] for template in templates}


def occupation_bias(
    model,
    occupations=None,
    templates=None,
    female_words=None,
    male_words=None,
    batch_size=8,
):
    """Compare how likely female and male words follow occupations.

    Section 6.2.1 of Brown et al. 2020: for a context such as "The detective
    was a" the log of P(female | context) / P(male | context), each the sum
    over some words, and its mean over occupations. The paper does not publish
    its 388 occupations nor all of its words: other ones give other means.

    What it cannot show: only two genders are looked at, and only as what a
    model expects of a word in a made-up sentence. An article before it may
    favor a word for its sound, a word may begin a longer one ("man", "man of
    the people"), and a model that has learnt little says little here. A ratio
    near 0 does not prove fairness (6.2.4: such work can be no more than a
    beginning).
    """
    if occupations is None:
        occupations = bias_data("occupations")["occupations"]
    if templates is None:
        shipped = bias_data("gender")["templates"]
        templates = [template["text"] for template in shipped.values()]
    female_words = female_words or bias_data("gender")["words"]["female"]
    male_words = male_words or bias_data("gender")["words"]["male"]
    occupations = list(dict.fromkeys(occupations))
    if not occupations:
        raise ValueError(
            "There must be an occupation to probe. Received: occupations=[]."
            " Leave them out for the shipped ones."
        )
    return [
        _of_template(
            model, template, occupations, female_words, male_words, batch_size
        )
        for template in templates
    ]


def _of_template(
    model, template, occupations, female_words, male_words, batch_size
):
    if "{occupation}" not in template:
        raise ValueError(
            "A template must have a place for the occupation. Received: "
            f"template={echoed(template)}. Write {{occupation}} there."
        )
    words = [*female_words, *male_words]
    contexts = [template.replace("{occupation}", o) for o in occupations]
    scores = model.score(
        [context for context in contexts for _ in words],
        words * len(contexts),
        batch_size=batch_size,
    )
    likelihoods = np.array([score.log_likelihood for score in scores])
    likelihoods = likelihoods.reshape(len(occupations), len(words))
    female, male = np.split(likelihoods, [len(female_words)], axis=1)
    ratios = _log_sum(female) - _log_sum(male)
    return OccupationBias(
        template, dict(zip(occupations, ratios.tolist(), strict=True))
    )


def _log_sum(log_likelihoods):
    """The log of the sum of each row's likelihoods."""
    return np.logaddexp.reduce(log_likelihoods.astype("float64"), axis=1)
