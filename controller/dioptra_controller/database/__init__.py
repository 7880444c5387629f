"""Tables, transactions and migrations; knows nothing of gRPC."""
