"""What jobs are made of: plugins, parameter types, entrypoints, experiments and queues.

Every module here holds plain functions of an open `sqlalchemy.Connection`; the caller
decides where the transaction begins and ends.
"""
