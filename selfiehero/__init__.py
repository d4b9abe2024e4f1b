"""The project: settings, entries, server, health, supervisor. VERSION is the product's, as in pyproject.toml."""

VERSION = "0.1.0"
