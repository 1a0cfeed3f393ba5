"""``apimodels batch``."""
