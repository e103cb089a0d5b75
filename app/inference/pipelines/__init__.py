"""One model family per file; every family keeps the contract in `contract.py`."""
