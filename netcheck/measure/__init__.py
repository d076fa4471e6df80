"""Measuring: which probes run, when, and what must not overlap.  One file per part of a check.

Nothing here judges; what the probes state goes to the record, and the diagnosis reads it.
"""
