"""The family of all others: any picture pipeline of diffusers, drawn by its own call and yet step by step.

`pipeline` keeps the contract; `runs` is one picture under way, in a `coroutine`; `calls` knows
what a pipeline class wants to be told, `predictions` what its scheduler expects to come, and
`thumbnails` how to show it.
"""
