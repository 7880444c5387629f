"""What runs inside a Ray worker process: one stage of one job."""
