"""A small service that answers with a greeting."""
