"""What the hero wears: bodies, helmets, visors, and what tells two of a kind apart."""
