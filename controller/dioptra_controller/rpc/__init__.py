"""The gRPC surface: servicers decode, delegate and encode; nothing is decided here."""
