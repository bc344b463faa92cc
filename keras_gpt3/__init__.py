"""GPT-3 (Brown et al. 2020) for Keras: read it, train it, sample it, serve it.

Read `models` (what users call) and `layers` and `ops` below it, the forward
pass; then `training`, `data` and `tokenization`; `generation`, `export` and
`serving`; `evaluation` and `corpus`. docs/architecture.md walks through them.
The files beside them serve all: `preset_loader`; `config_file`, `config_model`
and `strict_yaml` for configs; `atomic_write` and `regular_file` for files;
`argument_checks`, `backend_check` and `needed_packages` for errors.

Example:

```python
import keras_gpt3

model = keras_gpt3.GPT3.from_preset("gpt3_small_en", num_layers=2)
model.summary()
```
"""

from keras_gpt3 import backend_check  # noqa: F401  Before Keras is imported.
from keras_gpt3 import data
from keras_gpt3 import generation
from keras_gpt3 import layers
from keras_gpt3 import ops
from keras_gpt3 import parallel
from keras_gpt3 import planning
from keras_gpt3 import tokenization
from keras_gpt3 import training
from keras_gpt3.models import GPT3
from keras_gpt3.models import ContinuationScore
from keras_gpt3.models import GPT3Backbone
from keras_gpt3.models import GPT3CausalLM
from keras_gpt3.models import GPT3CausalLMPreprocessor
from keras_gpt3.models import GPT3Preprocessor
from keras_gpt3.models import GPT3Tokenizer
from keras_gpt3.models import upload_preset
from keras_gpt3.planning import describe
from keras_gpt3.planning import plan
from keras_gpt3.version import __version__

__all__ = [
    "ContinuationScore",
    "GPT3",
    "GPT3Backbone",
    "GPT3CausalLM",
    "GPT3CausalLMPreprocessor",
    "GPT3Preprocessor",
    "GPT3Tokenizer",
    "__version__",
    "data",
    "describe",
    "generation",
    "layers",
    "ops",
    "parallel",
    "plan",
    "planning",
    "tokenization",
    "training",
    "upload_preset",
]


def __dir__():
    # Submodules that a user never needs are attributes as well.
    return __all__
