"""From the bytes of a sample to the array that the graph takes."""
