"""What is trained: the paper's recipe and the config file of a run."""
