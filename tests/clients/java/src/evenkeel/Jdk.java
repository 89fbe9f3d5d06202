package evenkeel;

import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.util.concurrent.CompletableFuture;

/**
 * The JDK's own HttpClient: one for all workers.
 *
 * <p>In plain text it asks for HTTP/2 by `Upgrade: h2c`, which Envoy does not take (RFC 9113 has dropped it), and
 * knows no other way. Over TLS it negotiates: so here.
 */
final class Jdk {
    private final Args args;
    private final HttpClient client;
    private final String origin;

    private Jdk(Args args) throws Exception {
        this.args = args;
        if (args.protocol().equals("h2")) {
            TlsFront front = TlsFront.before(args.address());
            client = HttpClient.newBuilder().sslContext(front.trusting()).build();
            origin = "https://" + front.address();
        } else {
            client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
            origin = "http://" + args.address();
        }
    }

    public static void main(String[] flags) throws Exception {
        Args args = Args.parse(flags, "h1", "h2");
        Jdk program = new Jdk(args);
        // It does not tell which connections it opens.
        Run.whole(args, "JDK " + Runtime.version() + " HttpClient", () -> null, program::begin);
    }

    private Run.Request begin(int number) {
        byte[] body = args.bodyOf(number);
        BodyPublisher publisher = body.length > 0 ? BodyPublishers.ofByteArray(body) : BodyPublishers.noBody();
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(origin + args.path()))
                .method(args.method(), publisher)
                .header("x-id", Integer.toString(number))
                .expectContinue(args.expect());
        CompletableFuture<HttpResponse<byte[]>> future = client.sendAsync(request.build(), BodyHandlers.ofByteArray());
        return new Run.Request() {
            @Override
            public Answer await() throws Exception {
                HttpResponse<byte[]> response = future.get();
                // It shows no trailers.
                return new Answer(response.statusCode(), response.body(), null);
            }

            @Override
            public void cancel() {
                future.cancel(true);
            }
        };
    }
}
