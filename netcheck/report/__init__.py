"""The report: its model, reading and writing it, and one file per format."""
