package evenkeel;

import java.io.IOException;
import java.net.InetSocketAddress;
import java.net.Proxy;
import java.util.List;
import java.util.concurrent.atomic.AtomicInteger;
import okhttp3.Call;
import okhttp3.EventListener;
import okhttp3.MediaType;
import okhttp3.OkHttpClient;
import okhttp3.Protocol;
import okhttp3.Request;
import okhttp3.RequestBody;
import okhttp3.Response;
import okio.BufferedSink;

/** OkHttp: one OkHttpClient; every worker calls `execute`. */
final class OkHttp {
    private final Args args;
    private final AtomicInteger connections = new AtomicInteger();
    private final OkHttpClient client;

    private OkHttp(Args args) {
        this.args = args;
        Protocol protocol = args.protocol().equals("h2") ? Protocol.H2_PRIOR_KNOWLEDGE : Protocol.HTTP_1_1;
        client = new OkHttpClient.Builder()
                .protocols(List.of(protocol))
                .eventListener(new EventListener() {
                    @Override
                    public void connectEnd(Call call, InetSocketAddress to, Proxy by, Protocol spoken) {
                        connections.incrementAndGet();
                    }
                })
                .build();
    }

    public static void main(String[] flags) throws Exception {
        Args args = Args.parse(flags, "h1", "h2");
        OkHttp program = new OkHttp(args);
        String version = "OkHttp " + okhttp3.OkHttp.VERSION + ", JDK " + Runtime.version();
        Run.run(args, version, program.connections::get, program::begin);
    }

    private Run.Request begin(int number) {
        Request.Builder request = new Request.Builder()
                .url("http://" + args.address() + args.path())
                .header("x-id", Integer.toString(number))
                .method(args.method(), args.method().equals("POST") ? body(number) : null);
        if (args.expect()) {
            request.header("Expect", "100-continue");
        }
        if (args.trailers()) {
            // A server sends trailers only to a client that accepts them (RFC 9110, section 10.1.4).
            request.header("TE", "trailers");
        }
        Call call = client.newCall(request.build());
        return new Run.Request() {
            @Override
            public ClientResponse await() throws IOException {
                try (Response response = call.execute()) {
                    byte[] body = response.body().bytes();
                    String trailer = args.trailers() ? response.trailers().get("x-trailer") : null;
                    return new ClientResponse(response.code(), body, trailer == null ? "" : trailer);
                }
            }

            @Override
            public void cancel() {
                call.cancel();
            }
        };
    }

    private RequestBody body(int number) {
        byte[] content = args.bodyOf(number);
        if (!args.stream()) {
            return RequestBody.create(content);
        }
        return new RequestBody() {
            @Override
            public MediaType contentType() {
                return null;
            }

            @Override
            public boolean isOneShot() {
                return true;
            }

            @Override
            public void writeTo(BufferedSink sink) throws IOException {
                sink.write(content);
            }
        };
    }
}
