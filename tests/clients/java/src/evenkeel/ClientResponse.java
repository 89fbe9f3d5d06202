package evenkeel;

import java.nio.charset.StandardCharsets;
import java.util.Arrays;

/** A response: gRPC's OK is status 200, and the trailer is null if the library does not expose it. */
final class ClientResponse {
    private final int status;
    private final byte[] body;
    private final String trailer;

    ClientResponse(int status, byte[] body, String trailer) {
        this.status = status;
        this.body = body;
        this.trailer = trailer;
    }

    /** Returns why it is not the response to that request, or null. */
    String wrong(Args args, int number) {
        int length = args.method().equals("HEAD") ? 0 : args.response();
        byte[] content = content(args, number);
        if (status != 200) {
            return "status " + status;
        } else if (body.length != length) {
            return "a response of " + body.length + " bytes instead of " + length;
        } else if (content != null && !Arrays.equals(body, content)) {
            return "another response than belongs to the request";
        } else if (args.trailers() && trailer != null && !trailer.equals("end")) {
            return "no trailer x-trailer: end";
        }
        return null;
    }

    /** Returns the expected content; null if only its length is known. */
    private static byte[] content(Args args, int number) {
        byte[] body = args.bodyOf(number);
        switch (args.method() + " " + args.path()) {
            case "POST /echo":
            case "UNARY /evenkeel.Test/Echo":
                return body;
            case "POST /count":
                return String.format("%016d", args.body()).getBytes(StandardCharsets.US_ASCII);
            case "CLIENT /evenkeel.Test/Chat":
            case "BIDI /evenkeel.Test/Chat":
                String text = new String(body, StandardCharsets.US_ASCII);
                return text.repeat(Args.MESSAGES).getBytes(StandardCharsets.US_ASCII);
            default:
                return null;
        }
    }
}
