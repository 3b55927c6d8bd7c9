"""All code that opens weights. Runs inside .venv-train as a child process, never in the pipeline's own environment."""
