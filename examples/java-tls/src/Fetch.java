import java.io.IOException;
import java.net.URI;
import java.security.KeyStore;
import java.util.Arrays;
import java.util.stream.Stream;
import javax.net.ssl.HttpsURLConnection;
import javax.net.ssl.SSLException;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509TrustManager;

/** Asks https servers for a page, and tells what it thinks of their certificates. */
public final class Fetch {
    public static void main(String[] addresses) throws Exception {
        TrustManagerFactory factory = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
        factory.init((KeyStore) null);
        Stream<X509TrustManager> stores = Arrays.stream(factory.getTrustManagers()).map(X509TrustManager.class::cast);
        long known = stores.mapToLong(store -> store.getAcceptedIssuers().length).sum();
        System.out.println("authorities: " + (known > 100 ? "more than 100" : String.valueOf(known)));
        boolean trusted = true;
        for (String address : addresses) {
            trusted &= isTrusted(address);
        }
        System.exit(trusted ? 0 : 1);
    }

    private static boolean isTrusted(String address) throws IOException {
        HttpsURLConnection connection = (HttpsURLConnection) URI.create(address).toURL().openConnection();
        connection.setConnectTimeout(20_000);
        connection.setReadTimeout(20_000);
        try {
            int status = connection.getResponseCode();
            String of = connection.getServerCertificates()[0].getType();
            System.out.println(address + ": " + status + ", by " + connection.getCipherSuite() + ", " + of + " certificate of "
                    + connection.getPeerPrincipal().getName());
            return true;
        } catch (SSLException error) {
            System.out.println(address + ": not trusted: " + error.getMessage());
            return false;
        }
    }
}
