"""Which tests begin: those of the whole workflow take minutes each, and would keep the others waiting at the end."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the longest tests first."""
    items.sort(key=lambda item: item.path.name != "test_end_to_end.py")
