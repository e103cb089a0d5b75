"""Pictures that need not be made again: stored ones, and those that somebody is making right now."""
