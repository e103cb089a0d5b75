"""The command line: start a Darkroom, draw with it, train its built-in model, ask what this machine can do."""
