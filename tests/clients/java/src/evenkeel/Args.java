package evenkeel;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The flags. A class, because one of the JDKs is 11 and has no records. */
final class Args {
    /** How many messages a call of the methods CLIENT and BIDI sends. */
    static final int MESSAGES = 4;

    private static final List<String> SWITCHES = List.of("expect", "trailers", "stream");
    private static final Map<String, List<String>> METHODS = Map.of(
            "h1", List.of("GET", "POST", "HEAD"),
            "h2", List.of("GET", "POST", "HEAD"),
            "grpc", List.of("UNARY", "SERVER", "CLIENT", "BIDI"));

    private final String address;
    private final String protocol;
    private final String method;
    private final String path;
    private final int requests;
    private final int concurrency;
    private final int body;
    private final int response;
    private final int burst;
    private final int pause;
    private final int cancel;
    private final int timeout;
    private final boolean expect;
    private final boolean trailers;
    private final boolean stream;

    private Args(Map<String, String> values) {
        address = text(values, "address");
        protocol = text(values, "protocol");
        method = text(values, "method");
        path = text(values, "path");
        requests = number(values, "requests");
        concurrency = number(values, "concurrency");
        body = number(values, "body");
        response = number(values, "response");
        burst = number(values, "burst");
        pause = number(values, "pause");
        cancel = number(values, "cancel");
        timeout = number(values, "timeout");
        expect = values.remove("expect") != null;
        trailers = values.remove("trailers") != null;
        stream = values.remove("stream") != null;
        require(values.isEmpty(), "unknown: " + values.keySet());
    }

    /** Parses the flags of a program that speaks these protocols; exits if they are invalid. */
    static Args parse(String[] flags, String... protocols) {
        try {
            Args args = new Args(values(flags));
            require(List.of(protocols).contains(args.protocol), "--protocol must be one of " + List.of(protocols));
            List<String> methods = METHODS.get(args.protocol);
            require(methods.contains(args.method), "--method must be one of " + methods);
            return args;
        } catch (IllegalArgumentException wrong) {
            System.err.println(wrong.getMessage());
            System.exit(2);
            throw wrong;
        }
    }

    String address() {
        return address;
    }

    String protocol() {
        return protocol;
    }

    String method() {
        return method;
    }

    String path() {
        return path;
    }

    int requests() {
        return requests;
    }

    int concurrency() {
        return concurrency;
    }

    int body() {
        return body;
    }

    int response() {
        return response;
    }

    int burst() {
        return burst;
    }

    int pause() {
        return pause;
    }

    int cancel() {
        return cancel;
    }

    /** Milliseconds after which a request without a response is cancelled. */
    int timeout() {
        return timeout;
    }

    boolean expect() {
        return expect;
    }

    boolean trailers() {
        return trailers;
    }

    boolean stream() {
        return stream;
    }

    /** Exits because the library does not support the pattern. */
    static void doesNotApply(String why) {
        System.err.println("this pattern does not apply: " + why);
        System.exit(3);
    }

    /** Whether the request is cancelled. */
    boolean cancels(int number) {
        return cancel > 0 && number % 2 == 1;
    }

    /** The body of a request, different for each, so that a response to another request is detected. */
    byte[] bodyOf(int number) {
        String text = "body of " + number + " ";
        String whole = text.repeat(body / text.length() + 1).substring(0, body);
        return whole.getBytes(StandardCharsets.US_ASCII);
    }

    private static Map<String, String> values(String[] flags) {
        Map<String, String> values = new HashMap<>();
        for (int at = 0; at < flags.length; at++) {
            require(flags[at].startsWith("--"), "not a flag: " + flags[at]);
            String name = flags[at].substring(2);
            boolean alone = SWITCHES.contains(name);
            require(alone || at + 1 < flags.length, "--" + name + " has no value");
            values.put(name, alone ? "" : flags[++at]);
        }
        return values;
    }

    private static String text(Map<String, String> values, String name) {
        String value = values.remove(name);
        require(value != null, "--" + name + " is missing");
        return value;
    }

    private static int number(Map<String, String> values, String name) {
        String value = text(values, name);
        require(value.matches("\\d{1,9}"), "--" + name + " is not a number: " + value);
        return Integer.parseInt(value);
    }

    private static void require(boolean holds, String otherwise) {
        if (!holds) {
            throw new IllegalArgumentException(otherwise);
        }
    }
}
