"""Figure 3.1: loss against compute, fitted over runs."""
