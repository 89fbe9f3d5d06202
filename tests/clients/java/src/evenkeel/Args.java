package evenkeel;

import java.nio.charset.StandardCharsets;
import java.util.HashMap;
import java.util.List;
import java.util.Map;

/** The flags: what to send, and to whom. */
record Args(
        String address,
        String protocol,
        String method,
        String path,
        int requests,
        int concurrency,
        int body,
        int answer,
        int burst,
        int pause,
        int cancel,
        boolean expect,
        boolean trailers) {

    private static final List<String> SWITCHES = List.of("expect", "trailers");
    private static final Map<String, List<String>> METHODS = Map.of(
            "h1", List.of("GET", "POST", "HEAD"),
            "h2", List.of("GET", "POST", "HEAD"),
            "grpc", List.of("UNARY", "SERVER", "BIDI"));

    /** The flags, for a program that speaks these protocols; ends the process when they are wrong. */
    static Args parse(String[] flags, String... protocols) {
        try {
            Map<String, String> values = values(flags);
            Args args = new Args(
                    text(values, "address"),
                    text(values, "protocol"),
                    text(values, "method"),
                    text(values, "path"),
                    number(values, "requests"),
                    number(values, "concurrency"),
                    number(values, "body"),
                    number(values, "answer"),
                    number(values, "burst"),
                    number(values, "pause"),
                    number(values, "cancel"),
                    values.remove("expect") != null,
                    values.remove("trailers") != null);
            require(values.isEmpty(), "unknown: " + values.keySet());
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

    /** Ends the process: the library cannot do what the flags ask for. */
    static void doesNotApply(String why) {
        System.err.println("this pattern does not apply: " + why);
        System.exit(3);
    }

    /** The body of a request: its own, so that the answer to another one shows. */
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
