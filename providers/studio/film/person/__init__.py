"""Who the film is about: reading the photo, cutting the person out, light on the skin."""
