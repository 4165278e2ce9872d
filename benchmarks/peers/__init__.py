"""The servers that we are measured against, each as its makers show it, tuned."""
