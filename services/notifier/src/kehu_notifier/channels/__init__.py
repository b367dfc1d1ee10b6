"""Channels: how a message leaves, or does not leave, this machine."""
