"""The command line: `keras-gpt3 SUBCOMMAND`, one file a subcommand."""
