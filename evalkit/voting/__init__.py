"""The blind study: opening, invites, serving, monitoring, closing. The SQL of a study lives here only.

Every function takes an open session of `evalkit.store.db.session(engine)` and the time as an argument.
"""
