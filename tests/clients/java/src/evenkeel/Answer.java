package evenkeel;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** What came back: gRPC's OK is a status of 200, and the trailer is null where the library shows none. */
record Answer(int status, byte[] body, String trailer) {

    /** What is wrong with it as the answer to that request, or null. */
    String wrong(Args args, int number) {
        int length = args.method().equals("HEAD") ? 0 : args.answer();
        byte[] content = content(args, number);
        if (status != 200) {
            return "status " + status;
        } else if (body.length != length) {
            return "an answer of " + body.length + " bytes instead of " + length;
        } else if (content != null && !Arrays.equals(body, content)) {
            return "another answer than belongs to the request";
        } else if (args.trailers() && trailer != null && !trailer.equals("end")) {
            return "no trailer x-trailer: end";
        }
        return null;
    }

    /** What it must be; null where only its length is known. */
    private static byte[] content(Args args, int number) {
        byte[] body = args.bodyOf(number);
        return switch (args.method()) {
            case "UNARY" -> body;
            case "BIDI" -> new String(body, StandardCharsets.US_ASCII).repeat(4).getBytes(StandardCharsets.US_ASCII);
            case "POST" -> switch (args.path()) {
                case "/echo" -> body;
                case "/count" -> "%016d".formatted(args.body()).getBytes(StandardCharsets.US_ASCII);
                default -> null;
            };
            default -> null;
        };
    }
}
