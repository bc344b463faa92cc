"""Standard deviations of the initial weights.

"The modified initialization described in [GPT-2]" (section 2.1 of Brown et
al. 2020), with the numbers of OpenAI's GPT-2 code: all weights are normal
around 0, biases start at 0, layer-norm gains at 1.
"""

import math

TOKEN_EMBEDDING = 0.02
POSITION_EMBEDDING = 0.01
KERNEL = 0.02


def residual_kernel(num_layers):
    """The deviation of the two projections of a block that end on the residual.

    Every block adds two branches to the residual stream; dividing by the root
    of their number keeps its variance at initialization independent of depth.
    """
    return KERNEL / math.sqrt(2 * num_layers)
