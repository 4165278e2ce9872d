"""Datasets: names with immutable versions in tar shards and Parquet files."""
