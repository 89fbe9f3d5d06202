package evenkeel;

import io.vertx.core.Future;
import io.vertx.core.Handler;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpVersion;
import io.vertx.core.streams.ReadStream;
import io.vertx.ext.web.client.HttpRequest;
import io.vertx.ext.web.client.HttpResponse;
import io.vertx.ext.web.client.WebClient;
import io.vertx.ext.web.client.WebClientOptions;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.util.concurrent.CompletableFuture;

/** Vert.x: one WebClient, over HTTP/2 with prior knowledge. */
final class VertxWeb {
    private final Args args;
    private final WebClient client;
    private final String host;
    private final int port;

    private VertxWeb(Args args) {
        this.args = args;
        int colon = args.address().lastIndexOf(':');
        host = args.address().substring(0, colon);
        port = Integer.parseInt(args.address().substring(colon + 1));
        WebClientOptions options = new WebClientOptions();
        options.setProtocolVersion(HttpVersion.HTTP_2);
        options.setHttp2ClearTextUpgrade(false);
        client = WebClient.create(Vertx.vertx(), options);
    }

    public static void main(String[] flags) throws Exception {
        Args args = Args.parse(flags, "h2");
        if (args.expect()) {
            Args.doesNotApply("WebClient does not wait for a 100 (Continue)");
        }
        String version = "Vert.x " + version();
        // The pool reports its connections by metrics only.
        Run.run(args, version, () -> null, new VertxWeb(args)::begin);
    }

    private static String version() throws IOException {
        try (InputStream file = Vertx.class.getResourceAsStream("/META-INF/vertx/vertx-version.txt")) {
            return new String(file.readAllBytes(), StandardCharsets.UTF_8).trim();
        }
    }

    private Run.Request begin(int number) {
        HttpRequest<Buffer> request = client.request(HttpMethod.valueOf(args.method()), port, host, args.path());
        request.putHeader("x-id", Integer.toString(number));
        if (args.trailers()) {
            request.putHeader("te", "trailers");
        }
        if (args.cancels(number)) {
            // The only way to cancel: the timeout resets the stream.
            request.timeout(args.cancel());
        }
        CompletableFuture<HttpResponse<Buffer>> future =
                send(request, args.bodyOf(number)).toCompletionStage().toCompletableFuture();
        return new Run.Request() {
            @Override
            public ClientResponse await() throws Exception {
                HttpResponse<Buffer> response = future.get();
                byte[] body = response.body() == null ? new byte[0] : response.body().getBytes();
                // Null even if the trailer was received: Vert.x does not keep the trailers of every response.
                return new ClientResponse(response.statusCode(), body, response.getTrailer("x-trailer"));
            }

            @Override
            public void cancel() {
                future.cancel(true);
            }
        };
    }

    private Future<HttpResponse<Buffer>> send(HttpRequest<Buffer> request, byte[] body) {
        if (body.length == 0) {
            return request.send();
        }
        Buffer buffer = Buffer.buffer(body);
        return args.stream() ? request.sendStream(new Once(buffer)) : request.sendBuffer(buffer);
    }

    /** A stream of one buffer, which can be read once. */
    private static final class Once implements ReadStream<Buffer> {
        private Buffer buffer;
        private Handler<Buffer> handler;
        private Handler<Void> endHandler;
        private boolean flowing = true;

        Once(Buffer buffer) {
            this.buffer = buffer;
        }

        @Override
        public ReadStream<Buffer> handler(Handler<Buffer> handler) {
            this.handler = handler;
            return proceed();
        }

        @Override
        public ReadStream<Buffer> endHandler(Handler<Void> handler) {
            endHandler = handler;
            return proceed();
        }

        @Override
        public ReadStream<Buffer> exceptionHandler(Handler<Throwable> handler) {
            return this;
        }

        @Override
        public ReadStream<Buffer> pause() {
            flowing = false;
            return this;
        }

        @Override
        public ReadStream<Buffer> resume() {
            flowing = true;
            return proceed();
        }

        @Override
        public ReadStream<Buffer> fetch(long amount) {
            return resume();
        }

        private ReadStream<Buffer> proceed() {
            if (flowing && handler != null && endHandler != null) {
                Buffer next = buffer;
                buffer = null;
                if (next != null) {
                    handler.handle(next);
                }
                Handler<Void> end = endHandler;
                endHandler = null;
                end.handle(null);
            }
            return this;
        }
    }
}
