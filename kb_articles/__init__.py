"""The remedies: one Markdown file per article, read as package data by ``netcheck.kb``."""
