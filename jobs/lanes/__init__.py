"""The lanes: prepare, dispatch, collect. `engine` runs any of them; each module says what its lane does."""
