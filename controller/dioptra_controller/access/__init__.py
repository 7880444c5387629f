"""Who may do what: callers, their roles, and the rules that every call is held to."""
