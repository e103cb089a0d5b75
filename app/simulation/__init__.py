"""What would have happened: discrete-event models of parts of Darkroom, driven by the code that runs in production."""
