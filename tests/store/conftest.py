from tests.voting.databases import database_url, engine, kind, sqlite  # noqa: F401
