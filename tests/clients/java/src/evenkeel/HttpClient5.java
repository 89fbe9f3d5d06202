package evenkeel;

import java.util.concurrent.Future;
import org.apache.hc.client5.http.async.methods.SimpleHttpResponse;
import org.apache.hc.client5.http.async.methods.SimpleResponseConsumer;
import org.apache.hc.client5.http.impl.async.CloseableHttpAsyncClient;
import org.apache.hc.client5.http.impl.async.HttpAsyncClients;
import org.apache.hc.core5.http.ContentType;
import org.apache.hc.core5.http.nio.AsyncEntityProducer;
import org.apache.hc.core5.http.nio.entity.BasicAsyncEntityProducer;
import org.apache.hc.core5.http.nio.support.AsyncRequestBuilder;
import org.apache.hc.core5.util.VersionInfo;

/** Apache HttpClient 5: its asynchronous client for HTTP/2, which puts all requests on one connection. */
final class HttpClient5 {
    private final Args args;
    private final CloseableHttpAsyncClient client = HttpAsyncClients.createHttp2Default();

    private HttpClient5(Args args) {
        this.args = args;
        client.start();
    }

    public static void main(String[] flags) throws Exception {
        Args args = Args.parse(flags, "h2");
        if (args.expect()) {
            Args.doesNotApply("its HTTP/2 client does not wait for a 100 (Continue)");
        }
        VersionInfo release = VersionInfo.loadVersionInfo(
                "org.apache.hc.client5", HttpClient5.class.getClassLoader());
        String version = "Apache HttpClient " + release.getRelease();
        // The client does not report its connections.
        Run.run(args, version, () -> null, new HttpClient5(args)::begin);
    }

    private Run.Request begin(int number) {
        AsyncRequestBuilder request = AsyncRequestBuilder.create(args.method())
                .setUri("http://" + args.address() + args.path())
                .addHeader("x-id", Integer.toString(number));
        byte[] body = args.bodyOf(number);
        if (body.length > 0) {
            request.setEntity(entity(body));
        }
        if (args.trailers()) {
            request.addHeader("te", "trailers");
        }
        Future<SimpleHttpResponse> future =
                client.execute(request.build(), SimpleResponseConsumer.create(), null);
        return new Run.Request() {
            @Override
            public ClientResponse await() throws Exception {
                SimpleHttpResponse response = future.get();
                byte[] content = response.getBodyBytes() == null ? new byte[0] : response.getBodyBytes();
                // The client does not expose trailers.
                return new ClientResponse(response.getCode(), content, null);
            }

            @Override
            public void cancel() {
                future.cancel(true);
            }
        };
    }

    private AsyncEntityProducer entity(byte[] body) {
        return new BasicAsyncEntityProducer(body, ContentType.APPLICATION_OCTET_STREAM) {
            @Override
            public boolean isRepeatable() {
                return !args.stream();
            }
        };
    }
}
