"""Data of the presets: one JSON a size, and GPT-2's vocabulary.

Ships inside the wheel as `keras_gpt3.presets`; read it with
`importlib.resources.files("keras_gpt3.presets")`.
"""
