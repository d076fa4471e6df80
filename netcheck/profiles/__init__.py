"""One TOML file per application: its features and what each requires."""
