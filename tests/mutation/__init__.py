"""Mutation testing of the machines' arithmetic: which small changes of the code does no test notice?

`python -m mutation` (from tests/) copies runtime/ to build/mutation, changes each module there one place at a time
(mutmut), runs the module's tests against each change and holds the survivors against equivalent.toml.
"""
