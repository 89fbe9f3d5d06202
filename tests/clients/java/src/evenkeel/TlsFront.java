package evenkeel;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManagerFactory;

/**
 * TLS for a client that speaks HTTP/2 only over TLS: a port of this process that negotiates `h2` by ALPN (RFC 7301)
 * and forwards the bytes to the plain address, like a layer 4 load balancer that terminates TLS.
 */
final class TlsFront {
    /** A test key that keytool generates when the programs are built. */
    private static final String KEYS = "/front.p12";
    private static final char[] PASSWORD = "evenkeel".toCharArray();

    private final SSLContext context;
    private final SSLServerSocket listener;
    private final String host;
    private final int port;
    private final ExecutorService threads = Executors.newCachedThreadPool();

    private TlsFront(String plainAddress) throws IOException, GeneralSecurityException {
        int colon = plainAddress.lastIndexOf(':');
        host = plainAddress.substring(0, colon);
        port = Integer.parseInt(plainAddress.substring(colon + 1));
        context = context();
        listener = (SSLServerSocket) context.getServerSocketFactory()
                .createServerSocket(0, 128, InetAddress.getLoopbackAddress());
        SSLParameters parameters = listener.getSSLParameters();
        parameters.setApplicationProtocols(new String[] {"h2"});
        listener.setSSLParameters(parameters);
    }

    static TlsFront inFrontOf(String plainAddress) throws IOException, GeneralSecurityException {
        TlsFront front = new TlsFront(plainAddress);
        front.threads.submit(front::accept);
        return front;
    }

    String address() {
        return listener.getInetAddress().getHostAddress() + ":" + listener.getLocalPort();
    }

    /** The context that trusts the certificate. */
    SSLContext sslContext() {
        return context;
    }

    private static SSLContext context() throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance("PKCS12");
        try (InputStream file = TlsFront.class.getResourceAsStream(KEYS)) {
            if (file == null) {
                throw new IOException("no " + KEYS + " on the class path: let cargo xtask clients build this program");
            }
            store.load(file, PASSWORD);
        }
        KeyManagerFactory keys = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
        keys.init(store, PASSWORD);
        TrustManagerFactory trust = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        trust.init(store);
        SSLContext context = SSLContext.getInstance("TLS");
        context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
        return context;
    }

    private Void accept() throws IOException {
        while (true) {
            SSLSocket client = (SSLSocket) listener.accept();
            threads.submit(() -> serve(client));
        }
    }

    private Void serve(SSLSocket client) throws IOException {
        try (client; Socket server = new Socket(host, port)) {
            client.setTcpNoDelay(true);
            server.setTcpNoDelay(true);
            threads.submit(() -> relay(client, server));
            return relay(server, client);
        }
    }

    /** Forwards bytes until one side closes, then closes the other. */
    private static Void relay(Socket from, Socket to) throws IOException {
        try (from; to) {
            from.getInputStream().transferTo(to.getOutputStream());
            return null;
        }
    }
}
