"""The stage `decontaminate`: what evaluation tasks share with documents."""
