"""The process that drives one Ray cluster: leases jobs, submits stages, reports."""
