from tests.voting.databases import database_url, engine  # noqa: F401
from tests.voting.studies import trial  # noqa: F401
