"""Metrics with intervals, baselines, test sets, tables and plots."""
