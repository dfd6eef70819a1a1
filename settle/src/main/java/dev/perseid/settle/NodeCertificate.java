package dev.perseid.settle;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.io.IOException;
import java.math.BigInteger;
import java.net.Socket;
import java.security.GeneralSecurityException;
import java.security.KeyPair;
import java.security.KeyPairGenerator;
import java.security.KeyStore;
import java.security.SecureRandom;
import java.security.cert.CertificateException;
import java.security.cert.X509Certificate;
import java.security.spec.ECGenParameterSpec;
import java.time.Duration;
import java.time.Instant;
import java.time.InstantSource;
import java.util.Date;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import javax.net.ssl.SSLEngine;
import javax.net.ssl.SSLParameters;
import javax.net.ssl.SSLSocket;
import javax.net.ssl.TrustManager;
import javax.net.ssl.TrustManagerFactory;
import javax.net.ssl.X509ExtendedTrustManager;
import org.bouncycastle.asn1.ASN1ObjectIdentifier;
import org.bouncycastle.asn1.ASN1OctetString;
import org.bouncycastle.asn1.DEROctetString;
import org.bouncycastle.asn1.x500.X500Name;
import org.bouncycastle.asn1.x509.SubjectPublicKeyInfo;
import org.bouncycastle.cert.X509v3CertificateBuilder;
import org.bouncycastle.operator.ContentSigner;
import org.bouncycastle.operator.OperatorCreationException;
import org.bouncycastle.operator.jcajce.JcaContentSignerBuilder;
import org.bouncycastle.util.BigIntegers;
import org.jspecify.annotations.Nullable;

/// TLS without an authority: a self-made certificate whose key the node's secp256k1 key vouches
/// for. TLS stacks do not speak secp256k1, so the certificate has a fresh P-256 key and carries, in
/// an extension, the node's signature of that key's hash; the idea is that of libp2p's TLS
/// handshake. Whoever knows the node's address can check it, and no name or authority is needed.
public final class NodeCertificate {
  /// The extension's name, under the arc for UUIDs (ITU-T X.667), which needs no registration. Its
  /// value is an OCTET STRING of the 65 bytes of the signature over `NodeCertificate(address
  /// node,bytes32 publicKey)`.
  static final String EXTENSION = "2.25.322869904291077944633447942278912578244";

  private static final X509Certificate[] NONE = {};

  private NodeCertificate() {}

  /// Makes a certificate with a fresh key, valid from a day before `now` for 397 days.
  public static Tls make(Key node, Instant now) {
    KeyPair pair = freshPair();
    return new Tls(
        pair.getPrivate(),
        List.of(
            make(
                pair,
                node.address(),
                HexFormat.of()
                    .parseHex(
                        node.sign(
                            Digests.certificate(
                                node.address(), Hash.sha256(pair.getPublic().getEncoded())))),
                now.minus(Duration.ofDays(Limits.CLOCK_SKEW_DAYS)),
                now.plus(Duration.ofDays(Limits.CERTIFICATE_DAYS)))));
  }

  static KeyPair freshPair() {
    try {
      KeyPairGenerator generator = KeyPairGenerator.getInstance("EC");
      generator.initialize(new ECGenParameterSpec("secp256r1"), new SecureRandom());
      return generator.generateKeyPair();
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every JDK has P-256", e);
    }
  }

  /// The certificate with any extension, also a wrong one; none if `signature` is empty.
  static X509Certificate make(
      KeyPair pair, Address node, byte[] signature, Instant from, Instant until) {
    X500Name name = new X500Name("CN=" + node);
    BigInteger serial = BigIntegers.createRandomBigInteger(127, new SecureRandom());
    X509v3CertificateBuilder builder =
        new X509v3CertificateBuilder(
            name,
            serial.setBit(126),
            Date.from(from),
            Date.from(until),
            name,
            SubjectPublicKeyInfo.getInstance(pair.getPublic().getEncoded()));
    try {
      if (signature.length > 0) {
        builder.addExtension(
            new ASN1ObjectIdentifier(EXTENSION), false, new DEROctetString(signature));
      }
      ContentSigner signer =
          new JcaContentSignerBuilder("SHA256withECDSA").build(pair.getPrivate());
      return (X509Certificate)
          java.security.cert.CertificateFactory.getInstance("X.509")
              .generateCertificate(
                  new java.io.ByteArrayInputStream(builder.build(signer).getEncoded()));
    } catch (IOException | CertificateException | OperatorCreationException e) {
      throw new IllegalStateException("cannot make a P-256 certificate", e);
    }
  }

  /// Which node vouches for the certificate's key; none if the extension is missing or malformed.
  /// Says nothing about the certificate's dates. An extension signed by another key than the
  /// certificate's subject names is malformed.
  public static Optional<Address> nodeOf(X509Certificate certificate) {
    byte[] extension = certificate.getExtensionValue(EXTENSION);
    if (extension == null) {
      return Optional.empty();
    }
    String name = certificate.getSubjectX500Principal().getName();
    if (!name.matches("CN=0x[0-9a-f]{40}")) {
      return Optional.empty();
    }
    byte[] signature;
    try {
      byte[] value = ASN1OctetString.getInstance(extension).getOctets();
      signature = ASN1OctetString.getInstance(value).getOctets();
    } catch (IllegalArgumentException e) {
      return Optional.empty();
    }
    Address node = Address.parse(name.substring(3));
    Hash publicKey = Hash.sha256(certificate.getPublicKey().getEncoded());
    return Key.recover(Digests.certificate(node, publicKey), HexFormat.of().formatHex(signature))
        .filter(node::equals);
  }

  /// Trusts the node of the given address and nobody else, whatever host name it is reached by. An
  /// extended trust manager, so that neither the JDK nor Netty adds a check of names.
  public static X509ExtendedTrustManager pinned(Address expected) {
    return pinned(expected, InstantSource.system());
  }

  /// Trusts the node of the given address as [#pinned] does, and also whoever shows a certificate
  /// that is bound to no node but that an authority known to this JVM made for the host name that
  /// the connection asked for: the operator's own. Then the authority vouches for the host, not for
  /// the address.
  public static X509ExtendedTrustManager pinnedOrAuthority(Address expected) {
    return new Pinned(expected, InstantSource.system(), Optional.of(authorities(null)));
  }

  static X509ExtendedTrustManager pinned(Address expected, InstantSource clock) {
    return new Pinned(expected, clock, Optional.empty());
  }

  static X509ExtendedTrustManager pinnedOrAuthority(Address expected, KeyStore roots) {
    return new Pinned(expected, InstantSource.system(), Optional.of(authorities(roots)));
  }

  /// Checks chains and names as the JDK does.
  ///
  /// @param roots the authorities; null for those that this JVM knows
  private static X509ExtendedTrustManager authorities(@Nullable KeyStore roots) {
    try {
      TrustManagerFactory factory =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      factory.init(roots);
      for (TrustManager manager : factory.getTrustManagers()) {
        if (manager instanceof X509ExtendedTrustManager extended) {
          return extended;
        }
      }
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("this JVM's trusted authorities cannot be read", e);
    }
    throw new IllegalStateException("this JVM checks no certificates of authorities");
  }

  private static final class Pinned extends X509ExtendedTrustManager {
    private final Address expected;
    private final InstantSource clock;
    private final Optional<X509ExtendedTrustManager> authorities;

    Pinned(Address expected, InstantSource clock, Optional<X509ExtendedTrustManager> authorities) {
      this.expected = expected;
      this.clock = clock;
      this.authorities = authorities;
    }

    /// What an authority has to say about a chain.
    private interface Verdict {
      void of(X509ExtendedTrustManager authorities) throws CertificateException;
    }

    private void check(X509Certificate[] chain, @Nullable SSLParameters asked, Verdict verdict)
        throws CertificateException {
      if (chain.length == 0) {
        throw new CertificateException("the peer showed no certificate");
      }
      X509Certificate own = chain[0];
      own.checkValidity(Date.from(clock.instant()));
      if (own.getExtensionValue(EXTENSION) == null && authorities.isPresent()) {
        // Without the check of names any certificate of any authority would do.
        String names = asked == null ? null : asked.getEndpointIdentificationAlgorithm();
        if (names == null || names.isEmpty()) {
          throw new CertificateException(
              "the peer's certificate is of an authority, and this connection checks no names");
        }
        verdict.of(authorities.get());
        return;
      }
      check(own);
    }

    private void check(X509Certificate own) throws CertificateException {
      Optional<Address> node = nodeOf(own);
      if (node.isEmpty()) {
        throw new CertificateException(
            "the peer's certificate is bound to no node: expected the self-made one of "
                + expected);
      }
      if (!node.get().equals(expected)) {
        throw new CertificateException("the peer is node " + node.get() + ", expected " + expected);
      }
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType)
        throws CertificateException {
      check(chain, null, a -> a.checkServerTrusted(chain, authType));
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, Socket socket)
        throws CertificateException {
      check(chain, asked(socket), a -> a.checkServerTrusted(chain, authType, socket));
    }

    @Override
    public void checkServerTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
        throws CertificateException {
      check(chain, engine.getSSLParameters(), a -> a.checkServerTrusted(chain, authType, engine));
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType)
        throws CertificateException {
      check(chain, null, a -> a.checkClientTrusted(chain, authType));
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, Socket socket)
        throws CertificateException {
      check(chain, asked(socket), a -> a.checkClientTrusted(chain, authType, socket));
    }

    @Override
    public void checkClientTrusted(X509Certificate[] chain, String authType, SSLEngine engine)
        throws CertificateException {
      check(chain, engine.getSSLParameters(), a -> a.checkClientTrusted(chain, authType, engine));
    }

    private static @Nullable SSLParameters asked(Socket socket) {
      return socket instanceof SSLSocket tls ? tls.getSSLParameters() : null;
    }

    @Override
    public X509Certificate[] getAcceptedIssuers() {
      return NONE;
    }
  }
}
