"""What models took to train: Figure 2.2, by the numbers of Table D.1."""

import dataclasses

from keras_gpt3.planning.describe import describe
from keras_gpt3.planning.training_job import petaflop_days
from keras_gpt3.preset_loader import shipped_presets
from keras_gpt3.reporting.figures import PAPER_GREY
from keras_gpt3.reporting.figures import PAPER_TEXT
from keras_gpt3.reporting.figures import legend_below
from keras_gpt3.reporting.figures import open_figure
from keras_gpt3.reporting.figures import save_figure


@dataclasses.dataclass(frozen=True)
class TrainedModel:
    """A row of Table D.1 (Appendix D of Brown et al. 2020), as printed.

    Of T5, which has an encoder and a decoder, half of the parameters are
    active for a token: hence 3 FLOPs for each of all in place of 6.
    """

    name: str
    petaflop_days: float
    flops: float
    parameters_millions: int
    tokens_billions: int
    flops_per_parameter: int


# GPT-3's own rows are in the presets.
OTHER_MODELS = (
    TrainedModel("BERT-Base", 1.89e0, 1.64e20, 109, 250, 6),
    TrainedModel("BERT-Large", 6.16e0, 5.33e20, 355, 250, 6),
    TrainedModel("RoBERTa-Base", 1.74e1, 1.50e21, 125, 2000, 6),
    TrainedModel("RoBERTa-Large", 4.93e1, 4.26e21, 355, 2000, 6),
    TrainedModel("T5-Small", 2.08e0, 1.80e20, 60, 1000, 3),
    TrainedModel("T5-Base", 7.64e0, 6.60e20, 220, 1000, 3),
    TrainedModel("T5-Large", 2.67e1, 2.31e21, 770, 1000, 3),
    TrainedModel("T5-3B", 1.04e2, 9.00e21, 3000, 1000, 3),
    TrainedModel("T5-11B", 3.82e2, 3.30e22, 11000, 1000, 3),
)


def plot_training_compute(path=None):
    """Draw Figure 2.2: bars of petaflop/s-days, the axis logarithmic.

    Those of GPT-3's sizes are computed from the presets, 6 FLOPs for each
    parameter and token; a diamond is what Table D.1 prints. The other models'
    are the table's.
    """
    figure, (axes,) = open_figure((9, 5.5))
    others = range(len(OTHER_MODELS))
    axes.bar(
        others,
        [model.petaflop_days for model in OTHER_MODELS],
        color=PAPER_GREY,
        label="Table D.1",
    )
    sizes = [describe(name) for name in shipped_presets()]
    places = range(len(OTHER_MODELS), len(OTHER_MODELS) + len(sizes))
    axes.bar(
        places,
        [petaflop_days(_training_flops(size)) for size in sizes],
        color="tab:blue",
        label="GPT-3, computed from the presets",
    )
    axes.plot(
        places,
        [size.table_d1["petaflop_s_days"] for size in sizes],
        "D",
        color=PAPER_TEXT,
        label="GPT-3, Table D.1",
    )
    names = [model.name for model in OTHER_MODELS]
    names += [size.name for size in sizes]
    axes.set_xticks([*others, *places], names, rotation=60, ha="right")
    axes.grid(visible=False, axis="x")
    axes.set_axisbelow(True)
    axes.set_yscale("log")
    axes.set_ylim(1, 10_000)
    axes.set_ylabel("Training petaflop/s-days")
    axes.set_title("Total compute used during training")
    legend_below(figure)
    return save_figure(figure, path)


def _training_flops(size):
    return 6 * size.num_parameters * size.recipe["total_tokens"]
