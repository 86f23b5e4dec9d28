"""Where prices come from: one module a source, all of them `base.PriceSource`.

Nothing is imported here: a source's libraries are loaded when that source is used.
"""
