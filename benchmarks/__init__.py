"""Side-by-side measurements against peers; each is one command."""
