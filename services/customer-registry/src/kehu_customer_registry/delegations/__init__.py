"""Who stands in for an absent approver (委托): dated, for named steps, never through a chain."""
