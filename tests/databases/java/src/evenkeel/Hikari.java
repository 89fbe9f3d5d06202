package evenkeel;

import com.zaxxer.hikari.HikariConfig;
import com.zaxxer.hikari.HikariDataSource;
import evenkeel.Operation.Attempt;
import evenkeel.Operation.Stage;
import java.io.IOException;
import java.io.PrintWriter;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.logging.Logger;
import javax.sql.DataSource;

/**
 * HikariCP with its defaults on pgjdbc or Connector/J: it validates a connection that was idle for 500 ms. One pool has
 * the shortest maximum lifetime that HikariCP accepts. The first argument is the database.
 */
final class Hikari {
    private static final String TABLE = "hikari_log";
    private static final int WORKERS = 3;
    /** In milliseconds. */
    private static final long DEFAULT_LIFETIME = 1_800_000;

    private static final long SHORTEST_LIFETIME = 30_000;
    /** HikariCP does not expose its version; pom.xml states it. */
    private static final String HIKARI = "7.1.0";

    private final String database;
    private final String address;
    private final List<String> servers = new ArrayList<>();
    private final long seconds;
    /** Set before the threads start. */
    private long end;

    private Hikari(String[] arguments) {
        database = arguments[0];
        String proxy = null;
        long duration = 0;
        for (int i = 1; i + 1 < arguments.length; i += 2) {
            switch (arguments[i]) {
                case "--address" -> proxy = arguments[i + 1];
                case "--server" -> servers.add(arguments[i + 1]);
                case "--seconds" -> duration = Long.parseLong(arguments[i + 1]);
                default -> throw new IllegalArgumentException(arguments[i]);
            }
        }
        address = proxy;
        seconds = duration;
    }

    /** What a worker repeats on a connection of the pool. */
    private interface Body {
        void run(Connection connection, Attempt attempt) throws Exception;
    }

    public static void main(String[] arguments) throws Exception {
        new Hikari(arguments).run();
    }

    private void run() throws Exception {
        for (String server : servers) {
            try (Connection connection = connect(server);
                    Statement statement = connection.createStatement()) {
                statement.execute("CREATE TABLE " + TABLE + " (id varchar(100), part int)");
            }
        }
        Operation transaction = new Operation("transaction");
        Operation prepared = new Operation("prepared");
        Operation cursor = new Operation("cursor");
        List<Thread> threads = new ArrayList<>();
        List<HikariDataSource> pools = new ArrayList<>();
        Operation limited = new Operation("max_lifetime");
        add(transaction, this::transaction, DEFAULT_LIFETIME, threads, pools);
        add(prepared, this::prepared, DEFAULT_LIFETIME, threads, pools);
        add(cursor, this::cursor, DEFAULT_LIFETIME, threads, pools);
        add(limited, this::transaction, SHORTEST_LIFETIME, threads, pools);
        // Class loading and the first connections take seconds on a loaded machine.
        end = System.nanoTime() + seconds * 1_000_000_000L;
        threads.forEach(Thread::start);
        for (Thread thread : threads) {
            thread.join();
        }
        pools.forEach(HikariDataSource::close);

        Map<String, Integer> found = findRows();
        transaction.verify(found, 2);
        prepared.verify(found, 1);
        limited.verify(found, 2);
        for (Operation operation : List.of(transaction, prepared, cursor, limited)) {
            operation.report(version());
        }
    }

    private void add(
            Operation operation, Body body, long lifetime, List<Thread> threads, List<HikariDataSource> pools) {
        HikariConfig config = new HikariConfig();
        config.setDataSource(new Counted(operation));
        config.setMaximumPoolSize(WORKERS);
        config.setMaxLifetime(lifetime);
        // A connection may be drained while a busy machine still sets it up: the pool opens another one.
        config.setInitializationFailTimeout(-1);
        HikariDataSource pool = new HikariDataSource(config);
        pools.add(pool);
        for (int i = 0; i < WORKERS; i++) {
            threads.add(new Thread(() -> work(pool, operation, body)));
        }
    }

    private void work(HikariDataSource pool, Operation operation, Body body) {
        try {
            Operation.pause(0, 1);
            while (System.nanoTime() < end) {
                Attempt attempt = operation.begin();
                try (Connection connection = pool.getConnection()) {
                    body.run(connection, attempt);
                    operation.acknowledge(attempt);
                } catch (SQLException error) {
                    if (!isConnectionLost(error)) {
                        throw error;
                    }
                    // What fails after the commit is the reset by which the pool takes the connection back.
                    if (!operation.isAcknowledged(attempt)) {
                        operation.lookUp(attempt, error);
                    }
                }
                Operation.pause(0.1, 1.2);
            }
        } catch (Exception error) {
            error.printStackTrace();
            System.exit(1);
        }
    }

    /** Connector/J has no state of class 08 for a connection that ends between the rows of a cursor. */
    private static boolean isConnectionLost(SQLException error) {
        for (Throwable cause = error; cause != null; cause = cause.getCause()) {
            if (cause instanceof IOException) {
                return true;
            }
        }
        return error.getSQLState() == null || error.getSQLState().startsWith("08");
    }

    private void transaction(Connection connection, Attempt attempt) throws Exception {
        connection.setAutoCommit(false);
        insert(connection, attempt, 1);
        attempt.stage = Stage.IN_TRANSACTION;
        Operation.pause(0.2, 1.6);
        insert(connection, attempt, 2);
        Operation.pause(0, 0.8);
        attempt.stage = Stage.UNKNOWN_OUTCOME;
        connection.commit();
    }

    /** Prepared on the server: see url(). */
    private void prepared(Connection connection, Attempt attempt) throws Exception {
        insert(connection, attempt, 1);
    }

    private void cursor(Connection connection, Attempt attempt) throws Exception {
        connection.setAutoCommit(false);
        boolean isPostgresql = database.equals("postgresql");
        // MariaDB opens a transaction only for a statement that uses a table with transactions.
        String query = isPostgresql
                ? "SELECT generate_series(1, 500)"
                : "SELECT seq FROM seq_1_to_500 WHERE seq > (SELECT 0 * count(*) FROM " + TABLE + ")";
        int rows = 0;
        try (PreparedStatement statement = connection.prepareStatement(query)) {
            statement.setFetchSize(100);
            try (ResultSet result = statement.executeQuery()) {
                attempt.stage = Stage.IN_TRANSACTION;
                while (result.next()) {
                    rows++;
                    if (rows % 100 == 0) {
                        Operation.pause(0.9, 0.9);
                    }
                }
            }
        }
        if (rows != 500) {
            throw new IllegalStateException("the cursor returned " + rows + " rows");
        }
        connection.commit();
    }

    private static void insert(Connection connection, Attempt attempt, int part) throws SQLException {
        String insert = "INSERT INTO " + TABLE + " VALUES (?, ?)";
        try (PreparedStatement statement = connection.prepareStatement(insert)) {
            statement.setString(1, attempt.id);
            statement.setInt(2, part);
            statement.executeUpdate();
        }
    }

    private Map<String, Integer> findRows() throws SQLException {
        Map<String, Integer> found = new HashMap<>();
        for (String server : servers) {
            try (Connection connection = connect(server);
                    Statement statement = connection.createStatement();
                    ResultSet rows = statement.executeQuery("SELECT id, count(*) FROM " + TABLE + " GROUP BY id")) {
                while (rows.next()) {
                    found.merge(rows.getString(1), rows.getInt(2), Integer::sum);
                }
            }
        }
        return found;
    }

    private Connection connect(String server) throws SQLException {
        return DriverManager.getConnection(url(server));
    }

    private String url(String server) {
        return switch (database) {
            case "postgresql" -> "jdbc:postgresql://" + server + "/postgres?user=test&prepareThreshold=1";
            case "mysql" -> "jdbc:mysql://" + server
                    + "/test?user=root&useServerPrepStmts=true&cachePrepStmts=true&useCursorFetch=true";
            default -> throw new IllegalArgumentException(database);
        };
    }

    private String version() throws SQLException {
        try (Connection connection = connect(servers.get(0))) {
            String driver = database.equals("postgresql") ? "pgjdbc" : "Connector/J";
            String version = connection.getMetaData().getDriverVersion();
            version = version.replaceFirst("^mysql-connector-j-", "").split(" ")[0];
            return "HikariCP " + HIKARI + ", " + driver + " " + version;
        }
    }

    /** Opens connections through the proxy and counts them. */
    private final class Counted implements DataSource {
        private final Operation operation;

        Counted(Operation operation) {
            this.operation = operation;
        }

        @Override
        public Connection getConnection() throws SQLException {
            operation.opened();
            return connect(address);
        }

        @Override
        public Connection getConnection(String user, String password) throws SQLException {
            return getConnection();
        }

        @Override
        public PrintWriter getLogWriter() {
            return null;
        }

        @Override
        public void setLogWriter(PrintWriter out) {}

        @Override
        public void setLoginTimeout(int seconds) {}

        @Override
        public int getLoginTimeout() {
            return 0;
        }

        @Override
        public Logger getParentLogger() {
            return Logger.getGlobal();
        }

        @Override
        public <T> T unwrap(Class<T> type) throws SQLException {
            throw new SQLException("nothing is wrapped");
        }

        @Override
        public boolean isWrapperFor(Class<?> type) {
            return false;
        }
    }
}
