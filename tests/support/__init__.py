"""The test rig: real servers, the real product and a real browser, each started for tests and ended with them."""
