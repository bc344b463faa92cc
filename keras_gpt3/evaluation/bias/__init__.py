"""Section 6.2: gender, race and religion.

Read `bias_data`, prompts and lexicons, with `sentiwordnet`; the probes, which
are `occupation_bias`, `winogender`, and by `co_occurrence` `gender_words` and
`race_and_religion`; then `bias_report` with `bias_sections` and `bias_plots`.
"""
