"""Small real data sets and bundles, made on the spot, for tests and demos."""
