"""Fixtures for the contract tests of all adapters."""

import pytest

from providers import registry
from tests.support.contract import NAMES
from tests.support.scripted import ScriptedVendor
from tests.support.vendors import VENDORS


@pytest.fixture(params=NAMES)
def adapter(request):
    return registry.adapter_for(request.param)


@pytest.fixture
def vendor(adapter):
    return VENDORS[adapter.name]


@pytest.fixture
def server():
    """A vendor whose responses the test scripts."""
    scripted = ScriptedVendor()
    yield scripted
    scripted.close()
