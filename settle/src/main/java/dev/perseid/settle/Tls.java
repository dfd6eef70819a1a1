package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.SecureRandom;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateFactory;
import java.security.cert.X509Certificate;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.ArrayList;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManager;
import javax.net.ssl.X509ExtendedTrustManager;
import org.bouncycastle.asn1.pkcs.PrivateKeyInfo;
import org.bouncycastle.openssl.PEMKeyPair;
import org.bouncycastle.openssl.PEMParser;
import org.jspecify.annotations.Nullable;

/// With what a listener proves who it is: a private key and the certificates that vouch for it, the
/// listener's own first. Either self-made ([NodeCertificate#make]) or the operator's.
public record Tls(PrivateKey privateKey, List<X509Certificate> chain) {
  private static final String ALIAS = "perseid";

  /// The operator's own certificate.
  ///
  /// @param certificates PEM, the listener's own certificate first
  /// @param key PEM, PKCS #8 (`BEGIN PRIVATE KEY`) or the older forms of RSA and EC, not encrypted
  /// @throws IOException if a file cannot be read, is no PEM, or the two do not belong together;
  ///   the message says what to write instead
  public static Tls fromPem(Path certificates, Path key) throws IOException {
    List<X509Certificate> chain = new ArrayList<>();
    try {
      for (Certificate c :
          CertificateFactory.getInstance("X.509")
              .generateCertificates(new ByteArrayInputStream(bounded(certificates)))) {
        chain.add((X509Certificate) c);
      }
    } catch (GeneralSecurityException e) {
      throw new IOException(certificates + " holds no X.509 certificates in PEM", e);
    }
    if (chain.isEmpty()) {
      throw new IOException(
          certificates + " holds no certificate: it must begin with 'BEGIN CERTIFICATE'");
    }
    PrivateKeyInfo info = privateKeyInfo(key);
    String algorithm = chain.getFirst().getPublicKey().getAlgorithm();
    PrivateKey secret;
    try {
      secret =
          KeyFactory.getInstance(algorithm)
              .generatePrivate(new PKCS8EncodedKeySpec(info.getEncoded()));
      if (!belongTogether(secret, chain.getFirst())) {
        throw new IOException(
            "the key in " + key + " is not the key of the first certificate in " + certificates);
      }
    } catch (GeneralSecurityException e) {
      throw new IOException(
          "the key in " + key + " is not the " + algorithm + " key of " + certificates, e);
    }
    return new Tls(secret, List.copyOf(chain));
  }

  /// A copy of the list is kept.
  public Tls {
    chain = List.copyOf(chain);
  }

  /// A context for a listener: TLS 1.3, no client certificates.
  public SSLContext serverContext() {
    try {
      KeyManagerFactory keys =
          KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
      keys.init(keyStore(new char[0]), new char[0]);
      SSLContext context = SSLContext.getInstance("TLSv1.3");
      context.init(keys.getKeyManagers(), null, new SecureRandom());
      return context;
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("cannot use this certificate for TLS", e);
    }
  }

  /// A context for a client that trusts as `trust` does, e.g. [NodeCertificate#pinned].
  public static SSLContext clientContext(X509ExtendedTrustManager trust) {
    try {
      SSLContext context = SSLContext.getInstance("TLSv1.3");
      context.init(null, new TrustManager[] {trust}, new SecureRandom());
      return context;
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every JDK has TLS 1.3", e);
    }
  }

  /// A PKCS #12 key store in memory with the one entry.
  public KeyStore keyStore(char[] password) {
    try {
      KeyStore store = KeyStore.getInstance("PKCS12");
      store.load(null, password);
      store.setKeyEntry(ALIAS, privateKey, password, chain.toArray(X509Certificate[]::new));
      return store;
    } catch (GeneralSecurityException | IOException e) {
      throw new IllegalStateException("cannot hold this certificate in a key store", e);
    }
  }

  /// Never the key.
  @Override
  public String toString() {
    return "Tls[" + chain.getFirst().getSubjectX500Principal() + "]";
  }

  private static PrivateKeyInfo privateKeyInfo(Path key) throws IOException {
    String text = new String(bounded(key), US_ASCII);
    try (PEMParser parser = new PEMParser(new java.io.StringReader(text))) {
      @Nullable Object item;
      while ((item = parser.readObject()) != null) {
        if (item instanceof PrivateKeyInfo info) {
          return info;
        }
        if (item instanceof PEMKeyPair pair) {
          return pair.getPrivateKeyInfo();
        }
      }
    }
    throw new IOException(
        key + " holds no unencrypted private key in PEM: it must have 'BEGIN PRIVATE KEY'");
  }

  private static boolean belongTogether(PrivateKey key, X509Certificate certificate)
      throws GeneralSecurityException {
    String algorithm =
        switch (key.getAlgorithm()) {
          case "EC" -> "SHA256withECDSA";
          case "RSA" -> "SHA256withRSA";
          default -> key.getAlgorithm(); // EdDSA
        };
    byte[] probe = {1, 2, 3};
    Signature signer = Signature.getInstance(algorithm);
    signer.initSign(key);
    signer.update(probe);
    byte[] signature = signer.sign();
    Signature verifier = Signature.getInstance(algorithm);
    verifier.initVerify(certificate.getPublicKey());
    verifier.update(probe);
    return verifier.verify(signature);
  }

  private static byte[] bounded(Path file) throws IOException {
    if (Files.size(file) > Limits.PEM_FILE_BYTES) {
      throw new IOException(file + " is larger than " + Limits.PEM_FILE_BYTES + " bytes");
    }
    return Files.readAllBytes(file);
  }
}
