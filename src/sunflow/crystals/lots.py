"""Random order that depends on names, so that what is drawn of few is drawn of many too."""

import hashlib


def lot(seed: int, name: str) -> str:
    """What a name has drawn: names in the order of their lots are in random order."""
    return hashlib.sha256(f"{seed}/{name}".encode()).hexdigest()
