"""Renewals: the short path of papers that end, passed by vetting and finance without the whole chain (R3.1.2)."""
