"""Async-first SDK for the apimodels.app image API."""
