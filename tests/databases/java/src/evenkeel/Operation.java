package evenkeel;

import java.time.LocalTime;
import java.time.ZoneOffset;
import java.time.temporal.ChronoUnit;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ThreadLocalRandom;
import java.util.stream.Collectors;

/** The counts of one kind of operation, over all of its workers. README.md of the crate defines them. */
final class Operation {
    enum Stage {
        IN_FLIGHT,
        IN_TRANSACTION,
        UNKNOWN_OUTCOME,
        FOUND_CLOSED
    }

    /** One operation. The stage is the class of an error that occurs now: at first nothing has run. */
    static final class Attempt {
        final String id;
        Stage stage = Stage.FOUND_CLOSED;

        Attempt(String id) {
            this.id = id;
        }
    }

    final String name;
    private final Map<String, Long> counts = new TreeMap<>();
    private final Map<String, Long> errors = new TreeMap<>();
    private final Set<String> acknowledged = new HashSet<>();
    private final Map<String, Failure> uncertain = new HashMap<>();

    /** An error, and when it occurred. */
    private record Failure(Exception error, String time) {
        Failure(Exception error) {
            this(error, LocalTime.now(ZoneOffset.UTC).truncatedTo(ChronoUnit.SECONDS) + " UTC");
        }
    }

    Operation(String name) {
        this.name = name;
    }

    synchronized void add(String count, long number) {
        if (number > 0) {
            counts.merge(count, number, Long::sum);
        }
    }

    void opened() {
        add("opened", 1);
    }

    synchronized Attempt begin() {
        add("operations", 1);
        return new Attempt(name + "-" + counts.get("operations"));
    }

    synchronized void acknowledge(Attempt attempt) {
        acknowledged.add(attempt.id);
    }

    synchronized boolean isAcknowledged(Attempt attempt) {
        return acknowledged.contains(attempt.id);
    }

    private void fail(Stage stage, Failure failure) {
        Exception error = failure.error;
        String kind = stage.name().toLowerCase();
        add(kind, 1);
        String text = error.getClass().getSimpleName() + ": " + error.getMessage();
        text = text.lines().findFirst().orElse("").replaceAll("\\d[\\d,]*", "#");
        if (stage != Stage.FOUND_CLOSED) {
            // Such errors must not occur with a drain at a safe point: the time helps to find the reason.
            text += " (" + failure.time + ")";
        }
        errors.merge(kind + ": " + text, 1L, Long::sum);
    }

    /** Leaves the class of the error to verify(), where the connection was open: whether the change exists decides. */
    synchronized void lookUp(Attempt attempt, Exception error) {
        if (attempt.stage == Stage.FOUND_CLOSED) {
            uncertain.put(attempt.id, new Failure(error));
        } else {
            fail(attempt.stage, new Failure(error));
        }
    }

    /** Compares with the servers' state: the number of rows per id. */
    synchronized void verify(Map<String, Integer> found, int parts) {
        uncertain.forEach(
                (id, failure) -> fail(found.containsKey(id) ? Stage.IN_FLIGHT : Stage.FOUND_CLOSED, failure));
        add("lost", acknowledged.stream().filter(id -> found.getOrDefault(id, 0) < parts).count());
        add(
                "delivered_twice",
                found.entrySet().stream()
                        .filter(entry -> entry.getKey().startsWith(name + "-") && entry.getValue() > parts)
                        .count());
    }

    void report(String version) {
        System.out.printf(
                "{\"version\":%s,\"operation\":%s,\"counts\":%s,\"errors\":%s}%n",
                quote(version), quote(name), json(counts), json(errors));
    }

    private static String json(Map<String, Long> map) {
        return map.entrySet().stream()
                .map(entry -> quote(entry.getKey()) + ":" + entry.getValue())
                .collect(Collectors.joining(",", "{", "}"));
    }

    private static String quote(String text) {
        return "\"" + text.replace("\\", "\\\\").replace("\"", "\\\"") + "\"";
    }

    static void pause(double shortest, double longest) throws InterruptedException {
        double seconds = shortest < longest ? ThreadLocalRandom.current().nextDouble(shortest, longest) : shortest;
        Thread.sleep((long) (seconds * 1000));
    }
}
