"""The worked examples: their facts, what must come of them, and how to compare.

`examples.EXAMPLES` are the examples, `derived.observe` works one out with the pure functions,
and `compare.differences` tells what is not as expected. Another way to work them out, such as
a running server, needs only an `observe` of its own with the same form of answer.
"""
