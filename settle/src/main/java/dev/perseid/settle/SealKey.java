package dev.perseid.settle;

import dev.perseid.core.Hash;
import java.io.IOException;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.SecureRandom;
import java.util.Arrays;
import java.util.Base64;
import org.bouncycastle.crypto.AsymmetricCipherKeyPair;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.hpke.HPKEContext;
import org.bouncycastle.crypto.params.X25519PrivateKeyParameters;

/// An X25519 key (RFC 7748) to which consumers seal requests. A provider names its public half as
/// `sealKey` in its signed offer, and so vouches for it with its identity. Immutable, safe for any
/// thread. The format of what it opens is in `docs/sealed-requests.md`.
public final class SealKey {
  /// Name of the file in a node's folder.
  private static final String FILE = "seal.pem";

  private static final String BEGIN = "-----BEGIN PRIVATE KEY-----";
  private static final String END = "-----END PRIVATE KEY-----";

  /// What stands before the 32 bytes of an X25519 key in PKCS #8 (RFC 8410): always the same.
  private static final byte[] PKCS8 = {
    0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20
  };

  private final AsymmetricCipherKeyPair pair;
  private final X25519PrivateKeyParameters secret;
  private final Hash publicKey;

  private SealKey(X25519PrivateKeyParameters secret) {
    this.secret = secret;
    var open = secret.generatePublicKey();
    this.pair = new AsymmetricCipherKeyPair(open, secret);
    this.publicKey = Hash.of(open.getEncoded());
  }

  /// A fresh key.
  public static SealKey generate() {
    return new SealKey(new X25519PrivateKeyParameters(new SecureRandom()));
  }

  /// The key with these 32 secret bytes.
  static SealKey of(byte[] secret) {
    return new SealKey(new X25519PrivateKeyParameters(secret.clone()));
  }

  /// The 32 bytes to publish.
  public Hash publicKey() {
    return publicKey;
  }

  AsymmetricCipherKeyPair pair() {
    return pair;
  }

  /// Opens a request that was sealed to this key.
  ///
  /// @param requestId the request's id, as the pool named it: the seal is bound to it
  /// @param aad what else the seal is bound to; equal to what the consumer's gateway gave
  /// @param sealed what the pool passed on
  /// @throws SealException if it is not for this key and this request, unchanged
  public OpenedRequest open(String requestId, byte[] aad, byte[] sealed) throws SealException {
    byte[] bound = Sealed.bound(requestId, aad);
    if (sealed.length
        > Sealed.HEADER_BYTES + Sealed.paddedBytes(Limits.SEALED_BYTES) + Sealed.TAG_BYTES) {
      throw new SealException(
          SealException.Reason.TOO_LARGE,
          "the sealed request has "
              + sealed.length
              + " bytes; its body may have "
              + Limits.SEALED_BYTES);
    }
    if (sealed.length < Sealed.HEADER_BYTES + Sealed.PAD_BYTES + Sealed.TAG_BYTES) {
      throw new SealException(
          SealException.Reason.FORMAT,
          "a sealed request has at least "
              + (Sealed.HEADER_BYTES + Sealed.PAD_BYTES + Sealed.TAG_BYTES)
              + " bytes, not "
              + sealed.length
              + ": it was cut, or is not sealed");
    }
    if (sealed[0] != Sealed.VERSION) {
      throw new SealException(
          SealException.Reason.FORMAT,
          "the sealed request has version "
              + (sealed[0] & 0xff)
              + "; this provider knows version "
              + Sealed.VERSION);
    }
    byte[] open = publicKey.bytes();
    if (!Arrays.equals(sealed, 1, 1 + Sealed.KEY_ID_BYTES, open, 0, Sealed.KEY_ID_BYTES)) {
      throw new SealException(
          SealException.Reason.OTHER_KEY,
          "the request was sealed to another key than "
              + publicKey
              + ": seal it to the key of the provider's newest offer");
    }
    byte[] encapsulated = Arrays.copyOfRange(sealed, 1 + Sealed.KEY_ID_BYTES, Sealed.HEADER_BYTES);
    byte[] padded;
    byte[] exported;
    try {
      HPKEContext context = Sealed.suite().setupBaseR(encapsulated, pair, Sealed.info());
      padded =
          context.open(bound, sealed, Sealed.HEADER_BYTES, sealed.length - Sealed.HEADER_BYTES);
      exported = context.export(Sealed.answerLabel(), 32);
    } catch (InvalidCipherTextException | RuntimeException e) {
      // The library throws unchecked exceptions at points of low order.
      throw new SealException(
          SealException.Reason.DAMAGED,
          "the sealed request "
              + requestId
              + " cannot be opened: it was changed on its way, or sealed for another request");
    }
    return new OpenedRequest(
        Sealed.unpadded(padded, "the sealed request"), new AnswerSealer(requestId, exported));
  }

  /// The key of a node, in the file `seal.pem` of its folder; made at the first call.
  ///
  /// @throws KeyFileException if others may read the file, or it holds no such key
  public static SealKey loadOrCreate(Path dir) throws IOException {
    if (!Files.isDirectory(dir)) {
      Files.createDirectories(dir, KeyFile.attributes(dir, "rwx------"));
    }
    Path file = dir.resolve(FILE);
    if (!Files.exists(file)) {
      SealKey made = generate();
      try {
        made.write(file);
        return made;
      } catch (FileAlreadyExistsException e) {
        // Another process made it a moment ago: that one is the key.
      }
    }
    return read(file);
  }

  /// Writes a new file in PEM (PKCS #8, RFC 8410), not encrypted, readable by its owner alone;
  /// complete or not at all.
  ///
  /// @throws FileAlreadyExistsException if there is a file
  public void write(Path file) throws IOException {
    byte[] der = Arrays.copyOf(PKCS8, PKCS8.length + 32);
    System.arraycopy(secret.getEncoded(), 0, der, PKCS8.length, 32);
    KeyFile.create(
        file, BEGIN + "\n" + Base64.getEncoder().encodeToString(der) + "\n" + END + "\n");
  }

  /// Reads a file of [#write], or of `openssl genpkey -algorithm X25519`.
  ///
  /// @throws KeyFileException if others may read the file, or it holds no such key
  public static SealKey read(Path file) throws IOException {
    String text = KeyFile.readPrivate(file, Limits.KEY_FILE_BYTES);
    int begin = text.indexOf(BEGIN);
    int end = text.indexOf(END);
    if (begin >= 0 && begin < end) {
      try {
        byte[] der = Base64.getMimeDecoder().decode(text.substring(begin + BEGIN.length(), end));
        if (der.length == PKCS8.length + 32 && Arrays.mismatch(der, PKCS8) == PKCS8.length) {
          return of(Arrays.copyOfRange(der, PKCS8.length, der.length));
        }
      } catch (IllegalArgumentException e) {
        // Told below: it is none.
      }
    }
    throw new KeyFileException(
        "the key file "
            + file
            + " holds no X25519 key in PEM: restore it, or remove it to let the node make a new"
            + " one (requests that are sealed to the old one are lost)");
  }

  /// The public half.
  @Override
  public String toString() {
    return "SealKey " + publicKey;
  }
}
