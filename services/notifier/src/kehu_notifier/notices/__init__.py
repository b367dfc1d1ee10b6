"""Notices: what somebody is to be told, and who that is."""
