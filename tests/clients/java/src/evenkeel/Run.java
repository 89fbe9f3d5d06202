package evenkeel;

import com.google.gson.GsonBuilder;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.ScheduledExecutorService;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * The workers and the report.
 *
 * <p>Nothing is retried: the library's own retries apply, and a request that throws has failed.
 */
final class Run {
    /** Begins requests without waiting for anything. */
    interface Client {
        Request begin(int number) throws Exception;
    }

    /** A request in flight. */
    interface Request {
        ClientResponse await() throws Exception;

        /** Cancels it with the library's API, so that `await` throws. */
        void cancel();
    }

    private final Args args;
    private final Client client;
    private final ScheduledExecutorService clock = Executors.newSingleThreadScheduledExecutor();
    private final AtomicInteger next = new AtomicInteger();

    private int sent;
    private int ok;
    private int failed;
    private int cancelled;
    private int hung;
    private final Map<String, Integer> errors = new TreeMap<>();

    private Run(Args args, Client client) {
        this.args = args;
        this.client = client;
    }

    /** Connections opened so far; null where the library does not report them. */
    interface Connections {
        Integer opened();
    }

    /** Sends every request once, prints the report, and ends the process with all of its threads. */
    static void run(Args args, String version, Connections connections, Client client) throws InterruptedException {
        Run run = new Run(args, client);
        Thread[] workers = new Thread[args.concurrency()];
        for (int at = 0; at < workers.length; at++) {
            workers[at] = new Thread(run::work);
            workers[at].start();
        }
        for (Thread worker : workers) {
            worker.join();
        }
        run.print(version, connections.opened());
        System.exit(0);
    }

    private void work() {
        for (int own = 1; ; own++) {
            int number = next.getAndIncrement();
            if (number >= args.requests()) {
                return;
            }
            one(number);
            if (args.burst() > 0 && own % args.burst() == 0) {
                sleep(args.pause());
            }
        }
    }

    private void one(int number) {
        boolean cancel = args.cancels(number);
        long begun = System.nanoTime();
        String wrong;
        try {
            Request request = client.begin(number);
            long timeout = cancel ? args.cancel() : args.timeout();
            Future<?> end = clock.schedule(request::cancel, timeout, TimeUnit.MILLISECONDS);
            try {
                wrong = request.await().wrong(args, number);
            } finally {
                end.cancel(false);
            }
        } catch (Exception error) {
            wrong = cause(error);
        }
        long took = TimeUnit.NANOSECONDS.toMillis(System.nanoTime() - begun);
        if (wrong != null && took >= args.timeout()) {
            wrong = "no response within " + args.timeout() + " ms";
        }
        count(cancel, took >= args.timeout() / 2, wrong);
    }

    private synchronized void count(boolean cancel, boolean hangs, String wrong) {
        sent++;
        hung += hangs ? 1 : 0;
        if (cancel) {
            cancelled++;
        } else if (wrong != null) {
            failed++;
            errors.merge(wrong, 1, Integer::sum);
        } else {
            ok++;
        }
    }

    private synchronized void print(String version, Integer connections) {
        Map<String, Object> report = new LinkedHashMap<>();
        report.put("version", version);
        report.put("sent", sent);
        report.put("ok", ok);
        report.put("failed", failed);
        report.put("cancelled", cancelled);
        report.put("hung", hung);
        report.put("connections", connections);
        report.put("errors", errors);
        System.out.println(new GsonBuilder().serializeNulls().disableHtmlEscaping().create().toJson(report));
    }

    /** The error without addresses, so that equal ones are counted together. */
    private static String cause(Throwable error) {
        Throwable inner = error instanceof ExecutionException && error.getCause() != null ? error.getCause() : error;
        String text = inner.getClass().getSimpleName() + ": " + inner.getMessage();
        return text.replaceAll("\\d+(\\.\\d+){3}:\\d+", "ADDRESS");
    }

    private static void sleep(long milliseconds) {
        try {
            Thread.sleep(milliseconds);
        } catch (InterruptedException impossible) {
            // Workers are not interrupted.
            throw new IllegalStateException(impossible);
        }
    }
}
