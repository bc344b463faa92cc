"""What is trained: the paper's recipe and the config file of a run.

Read `pretraining_recipe`, whose `token_clock` counts tokens; then
`pretraining_config`, and `run_recipe`, which completes its recipe.
"""
