"""The person in the photo: reading the photo, cutting the person out, lighting the skin."""
