"""Whatever draws a PDF here uses one application, which the tests of the window can use as well."""

from __future__ import annotations

import pytest


@pytest.fixture(scope="session")
def qapp_args() -> list[str]:
    """No screen.  Not by the environment, which other tests hand on to programs."""
    return ["pytest", "-platform", "offscreen"]


@pytest.fixture(autouse=True, scope="session")
def application(qapp: object) -> object:
    return qapp
