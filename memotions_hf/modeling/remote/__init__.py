"""Code that is copied into a model folder; nothing of the package imports it."""
