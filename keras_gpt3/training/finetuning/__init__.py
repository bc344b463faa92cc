"""Finetuning on pairs of prompts and completions."""
