"""Measures netcheck itself, beside other tools where there are any: ``make bench``."""
