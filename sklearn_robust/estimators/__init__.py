"""The estimators: validate, start, solve, store."""
