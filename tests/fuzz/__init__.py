"""Mutated messages for everything that reads what came from the network: ``make fuzz``."""
