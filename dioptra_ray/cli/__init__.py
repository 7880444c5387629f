"""The command line: one module a noun; what is heavy is loaded when it is needed."""
