"""Between Python values and protobuf messages; the only place, beside stubs, that knows both."""
