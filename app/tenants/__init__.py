"""Tenants: who a caller is, what it may do and how much of it, and the record of what it did."""
