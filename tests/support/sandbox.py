"""Where tests work: a VAR_DIR and a Valkey of their own, no `.env`, none of the developer's addresses.

Call `enter()` before anything reads the settings. It does so once a process; all of it ends with the process.
"""

import atexit
import contextlib
import os
import tempfile

from tests.support.valkey import running_valkey

# What a developer's shell may hold and tests must not use. DATABASE_URL stays: it chooses the second pass.
FOREIGN = (
    *("REDIS_URL", "PUBLIC_URL", "ALLOWED_HOSTS", "HOST", "PORT", "STUDIO", "STUDIO_URL", "DEBUG", "FIELD_KEYS"),
    *("SIMULATOR", "SIMULATOR_SCENARIO"),
)
_entered = contextlib.ExitStack()


def enter() -> str:
    """Set the environment of this test run and return its REDIS_URL."""
    if os.environ.get("SELFIEHERO_SANDBOX") == str(os.getpid()):
        return os.environ["REDIS_URL"]
    for name in FOREIGN:
        os.environ.pop(name, None)
    var_dir = _entered.enter_context(
        tempfile.TemporaryDirectory(prefix="selfiehero-tests-", ignore_cleanup_errors=True)
    )
    redis_url = _entered.enter_context(running_valkey())
    atexit.register(_entered.close)
    os.environ |= {
        "ENV_FILE": "",
        "VAR_DIR": var_dir,
        "SECRET_KEY": "tests-sign-with-this-and-nobody-else",
        "REDIS_URL": redis_url,
        "SELFIEHERO_SANDBOX": str(os.getpid()),
    }
    return redis_url
