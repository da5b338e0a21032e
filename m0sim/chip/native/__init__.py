"""The native core: C that Unicorn calls for every block and, at level ``memory``, every access.

core.h says what it shares with Python and is the only place that does; `layout` reads it, `tables` makes it. `library`
loads what `m0sim.build_libraries` compiled. Nothing here knows what the counts mean: that is `m0sim.chip.results`.
"""
