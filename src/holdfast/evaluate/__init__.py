"""The numbers, their intervals, and what they are compared with."""
