"""Things the painter can draw, each in a box from -1 to 1 with its feet at y = 1."""
