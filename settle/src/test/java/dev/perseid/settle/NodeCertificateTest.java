package dev.perseid.settle;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Hash;
import java.io.ByteArrayInputStream;
import java.math.BigInteger;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.KeyPair;
import java.security.KeyStore;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.time.Duration;
import java.time.Instant;
import java.util.Base64;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLException;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.X509ExtendedTrustManager;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.Extension;
import org.bouncycastle.asn1.x509.GeneralName;
import org.bouncycastle.asn1.x509.GeneralNames;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class NodeCertificateTest {
  private static final Key NODE = Key.of(Hash.sha256(new byte[] {1}).bytes());
  private static final Key OTHER = Key.of(Hash.sha256(new byte[] {2}).bytes());

  @TempDir Path dir;

  @Test
  void aClientReachesTheNodeItKnows() throws Exception {
    assertThat(talk(NodeCertificate.make(NODE, Instant.now()), pinned(NODE))).isEqualTo(42);
  }

  @Test
  void anotherNodeIsRefused() {
    refused(NodeCertificate.make(OTHER, Instant.now()), "the peer is node " + OTHER.address());
  }

  @Test
  void aCertificateWithoutTheExtensionIsRefused() {
    KeyPair pair = NodeCertificate.freshPair();
    refused(certificate(pair, new byte[0]), "bound to no node");
  }

  @Test
  void forgedExtensionsAreRefused() {
    KeyPair pair = NodeCertificate.freshPair();
    // The true node's signature, but of another certificate's key.
    X509Certificate real = NodeCertificate.make(NODE, Instant.now()).chain().getFirst();
    byte[] stolen =
        HexFormat.of()
            .parseHex(
                NODE.sign(
                    Digests.certificate(
                        NODE.address(), Hash.sha256(real.getPublicKey().getEncoded()))));
    refused(certificate(pair, stolen), "bound to no node");
    // Signed by another, though it names the node.
    byte[] foreign =
        HexFormat.of()
            .parseHex(
                OTHER.sign(
                    Digests.certificate(
                        NODE.address(), Hash.sha256(pair.getPublic().getEncoded()))));
    refused(certificate(pair, foreign), "bound to no node");
    refused(certificate(pair, new byte[] {1, 2, 3}), "bound to no node");
  }

  @Test
  void expiredAndFutureCertificatesAreRefused() throws Exception {
    Instant now = Instant.now();
    Tls old = NodeCertificate.make(NODE, now.minus(Duration.ofDays(500)));
    refused(old, "NotAfter");
    Tls future = NodeCertificate.make(NODE, now.plus(Duration.ofDays(3)));
    refused(future, "NotBefore");
    X509Certificate[] chain = {old.chain().getFirst()};
    Instant then = now.minus(Duration.ofDays(400));
    NodeCertificate.pinned(NODE.address(), () -> then).checkServerTrusted(chain, "EC");
    assertThatThrownBy(() -> pinned(NODE).checkServerTrusted(new X509Certificate[0], "EC"))
        .isInstanceOf(CertificateException.class);
  }

  @Test
  void theNodeOfACertificateIsKnown() {
    X509Certificate own = NodeCertificate.make(NODE, Instant.now()).chain().getFirst();
    assertThat(NodeCertificate.nodeOf(own)).contains(NODE.address());
    assertThat(own.getCriticalExtensionOIDs()).isNullOrEmpty();
  }

  @Test
  void theOperatorsOwnCertificateIsReadFromPem() throws Exception {
    Tls made = NodeCertificate.make(NODE, Instant.now());
    Path certificate = pem("cert.pem", "CERTIFICATE", made.chain().getFirst().getEncoded());
    Path key = pem("key.pem", "PRIVATE KEY", made.privateKey().getEncoded());
    Tls read = Tls.fromPem(certificate, key);
    assertThat(read.chain()).isEqualTo(made.chain());
    assertThat(talk(read, pinned(NODE))).isEqualTo(42);

    Tls another = NodeCertificate.make(NODE, Instant.now());
    Path wrongKey = pem("wrong.pem", "PRIVATE KEY", another.privateKey().getEncoded());
    assertThatThrownBy(() -> Tls.fromPem(certificate, wrongKey))
        .hasMessageContaining("is not the key of the first certificate");
    assertThatThrownBy(() -> Tls.fromPem(certificate, certificate))
        .hasMessageContaining("BEGIN PRIVATE KEY");
    Path empty = Files.createFile(dir.resolve("empty.pem"));
    assertThatThrownBy(() -> Tls.fromPem(empty, key)).hasMessageContaining("BEGIN CERTIFICATE");
    Path garbage = Files.writeString(dir.resolve("garbage.pem"), "garbage");
    assertThatThrownBy(() -> Tls.fromPem(garbage, key)).hasMessageContaining("garbage.pem");
    assertThat(made.toString()).doesNotContain("PRIVATE");
  }

  @Test
  void anAuthoritysCertificateCountsForItsNameOnly() throws Exception {
    KeyPair pair = NodeCertificate.freshPair();
    Tls authoritys = hosted(pair, "localhost");
    KeyStore roots = KeyStore.getInstance("PKCS12");
    roots.load(null, null);
    roots.setCertificateEntry("root", authoritys.chain().getFirst());
    X509ExtendedTrustManager either = NodeCertificate.pinnedOrAuthority(NODE.address(), roots);
    assertThat(talk(authoritys, either)).isEqualTo(42);
    assertThat(talk(NodeCertificate.make(NODE, Instant.now()), either)).isEqualTo(42);

    X509Certificate[] chain = authoritys.chain().toArray(X509Certificate[]::new);
    assertThatThrownBy(() -> either.checkServerTrusted(chain, "ECDHE_ECDSA"))
        .isInstanceOf(CertificateException.class)
        .hasMessageContaining("checks no names");
    assertThatThrownBy(() -> talk(hosted(NodeCertificate.freshPair(), "localhost"), either))
        .as("an authority that nobody knows")
        .isInstanceOf(SSLException.class);
    Tls elsewhere = hosted(pair, "elsewhere.example");
    roots.setCertificateEntry("root", elsewhere.chain().getFirst());
    X509ExtendedTrustManager other = NodeCertificate.pinnedOrAuthority(NODE.address(), roots);
    assertThatThrownBy(() -> talk(elsewhere, other))
        .as("a certificate for another name")
        .isInstanceOf(SSLException.class);
    assertThatThrownBy(() ->
            talk(
                NodeCertificate.make(Key.generate(), Instant.now()),
                NodeCertificate.pinnedOrAuthority(NODE.address(), roots)))
        .as("another node")
        .hasMessageContaining("expected " + NODE.address());
  }

  /// A self-signed certificate for a host name, as a private authority would make it.
  private static Tls hosted(KeyPair pair, String host) throws Exception {
    X500Name name = new X500Name("CN=" + host);
    Instant now = Instant.now();
    X509v3CertificateBuilder builder =
        new X509v3CertificateBuilder(
            name,
            BigInteger.valueOf(now.toEpochMilli()),
            Date.from(now.minus(Duration.ofDays(1))),
            Date.from(now.plus(Duration.ofDays(1))),
            name,
            SubjectPublicKeyInfo.getInstance(pair.getPublic().getEncoded()));
    builder.addExtension(
        Extension.subjectAlternativeName,
        false,
        new GeneralNames(new GeneralName(GeneralName.dNSName, host)));
    byte[] der =
        builder
            .build(new JcaContentSignerBuilder("SHA256withECDSA").build(pair.getPrivate()))
            .getEncoded();
    return new Tls(
        pair.getPrivate(),
        List.of(
            (X509Certificate)
                CertificateFactory.getInstance("X.509")
                    .generateCertificate(new ByteArrayInputStream(der))));
  }

  private Path pem(String file, String label, byte[] der) throws Exception {
    return Files.writeString(
        dir.resolve(file),
        "-----BEGIN "
            + label
            + "-----\n"
            + Base64.getMimeEncoder(64, new byte[] {'\n'}).encodeToString(der)
            + "\n-----END "
            + label
            + "-----\n");
  }

  private static Tls certificate(KeyPair pair, byte[] signature) {
    Instant now = Instant.now();
    return new Tls(
        pair.getPrivate(),
        List.of(
            NodeCertificate.make(
                pair,
                NODE.address(),
                signature,
                now.minus(Duration.ofDays(1)),
                now.plus(Duration.ofDays(1)))));
  }

  private static X509ExtendedTrustManager pinned(Key node) {
    return NodeCertificate.pinned(node.address());
  }

  private static void refused(Tls server, String message) {
    assertThatThrownBy(() -> talk(server, pinned(NODE)))
        .isInstanceOf(SSLException.class)
        .hasMessageContaining(message);
  }

  /// One byte from a server to a client over TLS on loopback. The client asks for the check of host
  /// names that HTTPS clients ask for.
  private static int talk(Tls server, X509ExtendedTrustManager trust) throws Exception {
    SSLContext client = Tls.clientContext(trust);
    InetAddress loopback = InetAddress.getLoopbackAddress();
    try (SSLServerSocket listener =
        (SSLServerSocket)
            server.serverContext().getServerSocketFactory().createServerSocket(0, 1, loopback)) {
      CompletableFuture<Void> served =
          CompletableFuture.runAsync(() -> {
            try (SSLSocket socket = (SSLSocket) listener.accept()) {
              socket.getOutputStream().write(42);
            } catch (java.io.IOException e) {
              throw new CompletionException(e);
            }
          });
      try (SSLSocket socket =
          (SSLSocket)
              client.getSocketFactory().createSocket("localhost", listener.getLocalPort())) {
        SSLParameters parameters = socket.getSSLParameters();
        parameters.setEndpointIdentificationAlgorithm("HTTPS");
        socket.setSSLParameters(parameters);
        int got = socket.getInputStream().read();
        assertThat(socket.getSession().getProtocol()).isEqualTo("TLSv1.3");
        served.join();
        return got;
      }
    }
  }
}
