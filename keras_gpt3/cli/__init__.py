"""The command line: `keras-gpt3 SUBCOMMAND`, one file a subcommand.

Read `main`, which lists them, then any one, `generate` say; what they share is
in `options` (what is given), `model_loading` and `user_errors` (how it ends).
"""
