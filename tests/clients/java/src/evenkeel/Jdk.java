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
 * <p>In plain text it supports HTTP/2 only by `Upgrade: h2c`, which RFC 9113 has removed and Envoy does not support. So
 * it connects over TLS, where it negotiates HTTP/2 by ALPN.
 */
final class Jdk {
    private final Args args;
    private final HttpClient client;
    private final String origin;

    private Jdk(Args args) throws Exception {
        this.args = args;
        if (args.protocol().equals("h2")) {
            TlsFront front = TlsFront.inFrontOf(args.address());
            client = HttpClient.newBuilder().sslContext(front.sslContext()).build();
            origin = "https://" + front.address();
        } else {
            client = HttpClient.newBuilder().version(HttpClient.Version.HTTP_1_1).build();
            origin = "http://" + args.address();
        }
    }

    public static void main(String[] flags) throws Exception {
        Args args = Args.parse(flags, "h1", "h2");
        Jdk program = new Jdk(args);
        // The client does not report its connections.
        Run.run(args, "JDK " + Runtime.version() + " HttpClient", () -> null, program::begin);
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
                // The client does not expose trailers.
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
        // A second subscriber gets nothing, because the stream has been read.
        InputStream stream = new ByteArrayInputStream(body);
        return BodyPublishers.ofInputStream(() -> stream);
    }
}
