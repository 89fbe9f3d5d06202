"""What the PostgreSQL clients have in common: the table of changes, and its verification on the servers."""

import psycopg

DATABASE = "postgres"
USER = "test"


def url(address, driver="postgresql"):
    host, port = address
    return f"{driver}://{USER}@{host}:{port}/{DATABASE}"


def create_tables(args, table):
    for server in args.servers:
        with psycopg.connect(url(server), autocommit=True) as connection:
            connection.execute(f"CREATE TABLE {table} (id text, part int)")


def find_rows(args, table):
    """The number of rows per id, over all servers."""
    found = {}
    for server in args.servers:
        with psycopg.connect(url(server)) as connection:
            for id, n in connection.execute(f"SELECT id, count(*) FROM {table} GROUP BY id"):
                found[id] = found.get(id, 0) + n
    return found
