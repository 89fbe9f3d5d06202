"""What the MySQL clients have in common: the table of changes, and its verification on the servers."""

import pymysql

DATABASE = "test"
USER = "root"


def url(address, driver="mysql+pymysql"):
    host, port = address
    return f"{driver}://{USER}@{host}:{port}/{DATABASE}"


def connect(address, **options):
    host, port = address
    return pymysql.connect(host=host, port=port, user=USER, database=DATABASE, **options)


def create_tables(args, table):
    for server in args.servers:
        with connect(server) as connection, connection.cursor() as cursor:
            cursor.execute(f"CREATE TABLE {table} (id varchar(100), part int) ENGINE=InnoDB")


def find_rows(args, table):
    """The number of rows per id, over all servers."""
    found = {}
    for server in args.servers:
        with connect(server) as connection, connection.cursor() as cursor:
            cursor.execute(f"SELECT id, count(*) FROM {table} GROUP BY id")
            for id, n in cursor.fetchall():
                found[id] = found.get(id, 0) + n
    return found
