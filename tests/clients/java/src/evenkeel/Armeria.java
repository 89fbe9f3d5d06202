package evenkeel;

import com.linecorp.armeria.client.WebClient;
import com.linecorp.armeria.common.AggregatedHttpResponse;
import com.linecorp.armeria.common.HttpData;
import com.linecorp.armeria.common.HttpMethod;
import com.linecorp.armeria.common.HttpRequest;
import com.linecorp.armeria.common.HttpRequestWriter;
import com.linecorp.armeria.common.HttpResponse;
import com.linecorp.armeria.common.RequestHeaders;
import com.linecorp.armeria.common.RequestHeadersBuilder;
import com.linecorp.armeria.common.util.Version;
import java.util.concurrent.CompletableFuture;

/** Armeria: one WebClient, over HTTP/2 with prior knowledge. */
final class Armeria {
    private final Args args;
    private final WebClient client;

    private Armeria(Args args) {
        this.args = args;
        client = WebClient.builder("h2c://" + args.address())
                // A pattern has a larger response than the default maximum of 10 MiB.
                .maxResponseLength(0)
                .build();
    }

    public static void main(String[] flags) throws Exception {
        Args args = Args.parse(flags, "h2");
        if (args.expect()) {
            Args.doesNotApply("its HTTP/2 client does not wait for a 100 (Continue)");
        }
        String version = "Armeria " + Version.get("armeria").artifactVersion();
        // Connections are reported only to a listener of the connection pool.
        Run.run(args, version, () -> null, new Armeria(args)::begin);
    }

    private Run.Request begin(int number) {
        RequestHeadersBuilder headers = RequestHeaders.builder(HttpMethod.valueOf(args.method()), args.path());
        headers.add("x-id", Integer.toString(number));
        if (args.trailers()) {
            headers.add("te", "trailers");
        }
        HttpResponse response = client.execute(request(headers.build(), args.bodyOf(number)));
        CompletableFuture<AggregatedHttpResponse> future = response.aggregate();
        return new Run.Request() {
            @Override
            public ClientResponse await() throws Exception {
                AggregatedHttpResponse whole = future.get();
                String trailer = whole.trailers().get("x-trailer", "");
                return new ClientResponse(whole.status().code(), whole.content().array(), trailer);
            }

            @Override
            public void cancel() {
                response.abort();
            }
        };
    }

    private HttpRequest request(RequestHeaders headers, byte[] body) {
        if (body.length == 0 || !args.stream()) {
            return HttpRequest.of(headers, HttpData.wrap(body));
        }
        HttpRequestWriter writer = HttpRequest.streaming(headers);
        writer.write(HttpData.wrap(body));
        writer.close();
        return writer;
    }
}
