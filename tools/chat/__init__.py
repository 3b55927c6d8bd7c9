"""`python -m tools.chat`: talk with the trained character, in the terminal or on a page of its own, and make gold of a good talk."""
