package evenkeel;

import java.io.ByteArrayInputStream;
import java.io.InputStream;
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
        // It does not report its connections.
        Run.whole(args, "JDK " + Runtime.version() + " HttpClient", () -> null, program::begin);
    }

    private Run.Request begin(int number) {
        BodyPublisher publisher = publisher(args.bodyOf(number));
        HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(origin + args.path()))
                .method(args.method(), publisher)
                .header("x-id", Integer.toString(number))
                .expectContinue(args.expect());
        CompletableFuture<HttpResponse<byte[]>> future = client.sendAsync(request.build(), BodyHandlers.ofByteArray());
        return new Run.Request() {
            @Override
            public ClientResponse await() throws Exception {
                HttpResponse<byte[]> response = future.get();
                // It shows no trailers.
                return new ClientResponse(response.statusCode(), response.body(), null);
            }

            @Override
            public void cancel() {
                future.cancel(true);
            }
        };
    }

    private BodyPublisher publisher(byte[] body) {
        if (body.length == 0) {
            return BodyPublishers.noBody();
        } else if (!args.stream()) {
            return BodyPublishers.ofByteArray(body);
        }
        // A second subscriber gets the rest of the same stream: nothing.
        InputStream stream = new ByteArrayInputStream(body);
        return BodyPublishers.ofInputStream(() -> stream);
    }
}
