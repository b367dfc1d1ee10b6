"""The published language: every fact that leaves a service. Services know each other by these models alone.

One module per subject; `tests/contract` holds the JSON Schema of each fact, which changes only by adding.
"""
