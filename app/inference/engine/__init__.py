"""The step engine: jobs join and leave the running batch at every denoising step.

`loop` decides and acts, one step at a time, in the thread that owns the device; `selection`
says which jobs take the next step, `costs` what that will take, `memory` how much room there
is; `front` is what the rest of the process talks to.
"""
