"""Where the film plays: buildings, streets, signs, weather."""
