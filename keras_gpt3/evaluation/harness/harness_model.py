"""The models as lm-evaluation-harness, which must be installed, sees them."""

import math

from keras_gpt3.argument_checks import echoed
from keras_gpt3.needed_packages import needed_packages

with needed_packages(
    "lm-evaluation-harness must be installed to run its tasks", "evaluate"
):
    from lm_eval.api.model import TemplateLM
    from lm_eval.utils import get_rolling_token_windows
    from lm_eval.utils import make_disjoint_window
    from lm_eval.utils import simple_parse_args_string
    from tqdm import tqdm

from keras_gpt3.argument_checks import check_integer
from keras_gpt3.evaluation.few_shot.shared_batches import PairScores
from keras_gpt3.evaluation.harness.harness_arguments import HarnessOptions
from keras_gpt3.evaluation.harness.harness_arguments import check_unused
from keras_gpt3.evaluation.harness.harness_arguments import read_batch_size
from keras_gpt3.evaluation.harness.harness_arguments import read_max_length
from keras_gpt3.evaluation.harness.harness_arguments import read_model
from keras_gpt3.evaluation.harness.harness_tokens import HarnessTokens
from keras_gpt3.evaluation.harness.harness_tokens import answer_prompts
from keras_gpt3.evaluation.harness.harness_tokens import prompt_seeds


class HarnessModel(TemplateLM):
    """A `GPT3` that lm-evaluation-harness can evaluate.

    After `import keras_gpt3.evaluation` the harness makes it for
    `model="keras-gpt3"`. Its numbers are those of the harness' own model for
    transformers: context and continuation are encoded together, white space at
    the context's end belongs to the continuation, an empty context is the
    start token, and what is too long loses its first tokens. (`GPT3.score`
    encodes both apart, as the paper's scoring needs it.)
    """

    def __init__(
        self,
        preset=None,
        model=None,
        dtype=None,
        batch_size=8,
        max_length=None,
        max_gen_toks=256,
        seed=0,
        **unused,
    ):
        super().__init__()
        check_unused(unused)
        check_integer("max_gen_toks", max_gen_toks, minimum=1)
        check_integer("seed", seed, minimum=0)
        self.batch_size = read_batch_size(batch_size)
        self.max_gen_toks, self.seed = max_gen_toks, seed
        self.model = read_model(preset, model, dtype)
        self.max_length = read_max_length(max_length, self.model)
        self.tokens = HarnessTokens(self.model.preprocessor, self.max_length)

    @classmethod
    def create_from_arg_obj(cls, arg_dict, additional_config=None):
        """Make a model of the harness' `model_args`."""
        additional = (additional_config or {}).items()
        return cls(**{k: v for k, v in additional if v is not None} | arg_dict)

    @classmethod
    def create_from_arg_string(cls, arg_string, additional_config=None):
        """Make a model of `"preset=...,batch_size=..."`."""
        arg_dict = simple_parse_args_string(arg_string)
        return cls.create_from_arg_obj(arg_dict, additional_config)

    # === Tokens ===

    @property
    def eot_token_id(self):
        """The id that ends texts."""
        return self.tokens.tokenizer.end_token_id

    @property
    def prefix_token_id(self):
        """The id from which an empty context starts."""
        return self.tokens.start_token_id

    def tok_encode(self, string, add_special_tokens=None, **kwargs):
        """Turn a text into a list of token ids; see `HarnessTokens.encode`."""
        return self.tokens.encode(string, add_special_tokens)

    def tok_decode(self, tokens, skip_special_tokens=True):
        """Turn token ids into a text; see `HarnessTokens.decode`."""
        return self.tokens.decode(tokens, skip_special_tokens)

    # === Requests ===

    def loglikelihood(self, requests, disable_tqdm=False):
        """Log-likelihoods of continuations after their contexts."""
        encoded = [
            (request.args, *self.tokens.pair(*request.args))
            for request in requests
        ]
        return self._loglikelihood_tokens(encoded, disable_tqdm)

    def loglikelihood_rolling(self, requests, disable_tqdm=False):
        """Log-likelihoods of whole texts, each token once."""
        windows, owners = [], []
        for owner, request in enumerate(requests):
            (text,) = request.args
            for window in get_rolling_token_windows(
                self.tok_encode(text), self.prefix_token_id, self.max_length, 1
            ):
                windows.append((None, *make_disjoint_window(window)))
                owners.append(owner)
        found = self._loglikelihood_tokens(windows, disable_tqdm)
        parts = [[] for _ in requests]
        for owner, (log_likelihood, _) in zip(owners, found, strict=True):
            parts[owner].append(log_likelihood)
        totals = [math.fsum(part) for part in parts]
        for request, total in zip(requests, totals, strict=True):
            self.cache_hook.add_partial(
                "loglikelihood_rolling", request.args, total
            )
        return totals

    def generate_until(self, requests, disable_tqdm=False):
        """Continue contexts up to a stop string."""
        alike = {}
        for index, request in enumerate(requests):
            options = HarnessOptions.read(request.args[1], self.max_gen_toks)
            alike.setdefault(options, []).append(index)
        contexts = [request.args[0] for request in requests]
        answers, seeds = {}, prompt_seeds(contexts, self.seed)
        with _progress("generate_until", requests, disable_tqdm) as progress:
            for options, members in alike.items():
                prompts = self.tokens.prompts(
                    [contexts[i] for i in members], options.max_gen_toks
                )
                some = [seeds[i] for i in members]
                for place, text in answer_prompts(
                    self.model, prompts, options, self.batch_size, some
                ):
                    index = members[place]
                    answers[index] = text
                    self.cache_hook.add_partial(
                        "generate_until", requests[index].args, text
                    )
                    progress.update()
        return [answers[index] for index in range(len(requests))]

    def chat_template(self, chat_template=False):
        """Raise where a chat template is requested: GPT-3 has none."""
        if chat_template:
            raise ValueError(
                "apply_chat_template must be left out: GPT-3 reads plain text."
                f" Received: apply_chat_template={echoed(chat_template)}. Put "
                "instructions into the task's description."
            )
        return ""

    def apply_chat_template(self, chat_history, add_generation_prompt=True):
        """Raise, as `chat_template`."""
        self.chat_template(True)

    def get_model_info(self):
        """What the harness writes beside its results."""
        return {
            "model_num_parameters": self.model.backbone.count_params(),
            "model_dtype": self.model.backbone.dtype_policy.name,
        }

    def _loglikelihood_tokens(self, requests, disable_tqdm=False):
        """Pairs of log-likelihood and whether greedy, for token ids.

        A request is a key for the harness' cache, or `None`, and two lists of
        ints: context and continuation.
        """
        pairs = self.tokens.fitted([tuple(ids) for _, *ids in requests])
        results = [None] * len(requests)
        with _progress("loglikelihood", requests, disable_tqdm) as progress:
            for i, score in PairScores(self.model, self.batch_size)(pairs):
                results[i] = (score.log_likelihood, score.is_greedy)
                if requests[i][0] is not None:
                    self.cache_hook.add_partial(
                        "loglikelihood", requests[i][0], results[i]
                    )
                progress.update()
        return results


def _progress(name, requests, disable_tqdm):
    """The harness' own kind of progress, on standard error."""
    return tqdm(total=len(requests), desc=name, disable=disable_tqdm)
