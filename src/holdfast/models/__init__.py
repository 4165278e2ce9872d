"""Networks that train from scratch on a CPU, and their catalog."""
