"""The product's settings, read inside the sandbox. pytest-django reads settings before any conftest, hence this."""

from tests.support import sandbox

sandbox.enter()

from selfiehero.settings import *  # noqa: E402, F403 after the sandbox is there
