"""What callers may ask for: how much in one call, and how often."""
