"""The setting of the film: buildings, streets, signs, weather."""
