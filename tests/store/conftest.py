from tests.voting.databases import database_url, engine, sqlite  # noqa: F401
