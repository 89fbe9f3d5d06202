package evenkeel;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientInterceptors;
import io.grpc.Context;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.netty.shaded.io.grpc.netty.NettyChannelBuilder;
import io.grpc.stub.BlockingClientCall;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.MetadataUtils;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;

/** grpc-java over Netty: one channel, raw bytes as messages. */
final class GrpcJava {
    private static final Metadata.Key<String> ID = Metadata.Key.of("x-id", Metadata.ASCII_STRING_MARSHALLER);

    /** With windows and a header list size like an application's. */
    private static final boolean TUNED = System.getenv("EVENKEEL_TUNED") != null;

    private final Args args;
    private final ManagedChannel channel;

    private GrpcJava(Args args) {
        this.args = args;
        NettyChannelBuilder builder = NettyChannelBuilder.forTarget(args.address()).usePlaintext();
        if (TUNED) {
            builder.flowControlWindow(2 << 20).maxInboundMetadataSize(32 << 10);
        }
        channel = builder.build();
    }

    public static void main(String[] flags) throws Exception {
        Args args = Args.parse(flags, "grpc");
        if (args.expect()) {
            Args.doesNotApply("gRPC has no Expect");
        }
        GrpcJava program = new GrpcJava(args);
        String release = ManagedChannel.class.getPackage().getImplementationVersion();
        // A channel reports its state, not its connections.
        Run.run(args, "grpc-java " + release + ", JDK " + Runtime.version(), () -> null, program::begin);
    }

    private Run.Request begin(int number) {
        Metadata metadata = new Metadata();
        metadata.put(ID, Integer.toString(number));
        Channel numbered = ClientInterceptors.intercept(channel, MetadataUtils.newAttachHeadersInterceptor(metadata));
        Context.CancellableContext context = Context.ROOT.withCancellation();
        return new Run.Request() {
            @Override
            public ClientResponse await() throws Exception {
                return new ClientResponse(200, context.call(() -> call(numbered, args.bodyOf(number))), null);
            }

            @Override
            public void cancel() {
                context.cancel(null);
            }
        };
    }

    private byte[] call(Channel numbered, byte[] body) throws Exception {
        switch (args.method()) {
            case "UNARY":
                return ClientCalls.blockingUnaryCall(numbered, method(MethodType.UNARY), CallOptions.DEFAULT, body);
            case "SERVER":
                return serverStream(numbered);
            case "CLIENT":
                return clientStream(numbered, body);
            default:
                return bidi(numbered, body);
        }
    }

    private byte[] serverStream(Channel numbered) {
        ByteArrayOutputStream whole = new ByteArrayOutputStream();
        ClientCalls.blockingServerStreamingCall(
                        numbered, method(MethodType.SERVER_STREAMING), CallOptions.DEFAULT, new byte[0])
                .forEachRemaining(whole::writeBytes);
        return whole.toByteArray();
    }

    private byte[] clientStream(Channel numbered, byte[] body) throws Exception {
        BlockingClientCall<byte[], byte[]> call = begin(numbered);
        for (int sent = 0; sent < Args.MESSAGES; sent++) {
            call.write(body);
        }
        call.halfClose();
        ByteArrayOutputStream echoes = new ByteArrayOutputStream();
        for (byte[] echo = call.read(); echo != null; echo = call.read()) {
            echoes.writeBytes(echo);
        }
        return echoes.toByteArray();
    }

    private byte[] bidi(Channel numbered, byte[] body) throws Exception {
        BlockingClientCall<byte[], byte[]> call = begin(numbered);
        ByteArrayOutputStream echoes = new ByteArrayOutputStream();
        for (int sent = 0; sent < Args.MESSAGES; sent++) {
            call.write(body);
            byte[] echo = call.read();
            if (echo == null) {
                throw new IOException("the stream ended before its last echo");
            }
            echoes.writeBytes(echo);
        }
        call.halfClose();
        if (call.read() != null) {
            throw new IOException("an echo of nothing");
        }
        return echoes.toByteArray();
    }

    private BlockingClientCall<byte[], byte[]> begin(Channel numbered) {
        return ClientCalls.blockingBidiStreamingCall(
                numbered, method(MethodType.BIDI_STREAMING), CallOptions.DEFAULT);
    }

    private MethodDescriptor<byte[], byte[]> method(MethodType type) {
        return MethodDescriptor.<byte[], byte[]>newBuilder()
                .setType(type)
                .setFullMethodName(args.path().substring(1))
                .setRequestMarshaller(RAW)
                .setResponseMarshaller(RAW)
                .build();
    }

    private static final MethodDescriptor.Marshaller<byte[]> RAW = new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] message) {
            return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream message) {
            try {
                return message.readAllBytes();
            } catch (IOException impossible) {
                throw new UncheckedIOException(impossible);
            }
        }
    };
}
