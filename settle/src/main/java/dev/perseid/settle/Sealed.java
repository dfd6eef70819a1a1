package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.perseid.core.Hash;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.util.Arrays;
import java.util.regex.Pattern;
import javax.crypto.Cipher;
import javax.crypto.KDF;
import javax.crypto.spec.HKDFParameterSpec;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;
import org.bouncycastle.crypto.AsymmetricCipherKeyPair;
import org.bouncycastle.crypto.InvalidCipherTextException;
import org.bouncycastle.crypto.hpke.HPKE;
import org.bouncycastle.crypto.hpke.HPKEContextWithEncapsulation;
import org.bouncycastle.crypto.params.AsymmetricKeyParameter;
import org.jspecify.annotations.Nullable;

/// Requests and answers that the pool routes and cannot read: HPKE (RFC 9180, base mode,
/// DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305) to the provider's key, and back
/// under a key exported from it, part by part. Lengths are hidden up to a multiple of 512 bytes.
/// The format, byte by byte, is in `docs/sealed-requests.md`.
public final class Sealed {
  static final byte VERSION = 1;
  static final int KEY_ID_BYTES = 8;
  static final int HEADER_BYTES = 1 + KEY_ID_BYTES + 32;
  static final int TAG_BYTES = 16;
  static final int SALT_BYTES = 32;

  /// Lengths of chunks tell which tokens are in them; so every text is filled up to a multiple.
  static final int PAD_BYTES = 512;

  private static final Pattern REQUEST_ID = Pattern.compile("[A-Za-z0-9_-]{1,64}");

  private Sealed() {}

  /// Seals a request to a provider.
  ///
  /// @param providerKey `sealKey` of the provider's signed offer
  /// @param requestId the request's id: 1 to 64 characters of `[A-Za-z0-9_-]`
  /// @param aad what else the seal shall be bound to, at most 64 KiB: what the pool sees of the
  ///   request, so that it cannot pass the body on under other terms. Not secret, not sent
  /// @param body at most 16 MiB
  /// @throws SealException if the key is none, or something is too large
  public static SealedRequest request(Hash providerKey, String requestId, byte[] aad, byte[] body)
      throws SealException {
    return request(providerKey, requestId, aad, body, null);
  }

  static SealedRequest request(
      Hash providerKey,
      String requestId,
      byte[] aad,
      byte[] body,
      @Nullable AsymmetricCipherKeyPair ephemeral)
      throws SealException {
    byte[] bound = bound(requestId, aad);
    byte[] padded = padded(body, "the request's body");
    HPKEContextWithEncapsulation context;
    byte[] exported;
    byte[] cipherText;
    try {
      HPKE suite = suite();
      AsymmetricKeyParameter recipient = suite.deserializePublicKey(providerKey.bytes());
      context =
          ephemeral == null
              ? suite.setupBaseS(recipient, info())
              : suite.setupBaseS(recipient, info(), ephemeral);
      cipherText = context.seal(bound, padded);
      exported = context.export(answerLabel(), 32);
    } catch (InvalidCipherTextException | RuntimeException e) {
      // Nothing else can fail here: the library throws unchecked exceptions at points of low order.
      throw new SealException(
          SealException.Reason.BAD_KEY,
          "the provider's seal key " + providerKey + " is no X25519 key: ask another provider");
    }
    byte[] bytes =
        ByteBuffer.allocate(HEADER_BYTES + cipherText.length)
            .put(VERSION)
            .put(providerKey.bytes(), 0, KEY_ID_BYTES)
            .put(context.getEncapsulation())
            .put(cipherText)
            .array();
    return new SealedRequest(bytes, new AnswerOpener(requestId, exported));
  }

  /// A fresh suite: the library's object keeps state while it works.
  static HPKE suite() {
    return new HPKE(
        HPKE.mode_base, HPKE.kem_X25519_SHA256, HPKE.kdf_HKDF_SHA256, HPKE.aead_CHACHA20_POLY1305);
  }

  static byte[] info() {
    return "perseid sealed request 1".getBytes(US_ASCII);
  }

  static byte[] answerLabel() {
    return "perseid sealed answer 1".getBytes(US_ASCII);
  }

  /// Additional data of a request.
  static byte[] bound(String requestId, byte[] aad) throws SealException {
    if (aad.length > Limits.SEALED_AAD_BYTES) {
      throw new SealException(
          SealException.Reason.TOO_LARGE,
          "a seal may be bound to "
              + Limits.SEALED_AAD_BYTES
              + " bytes of other data, not "
              + aad.length);
    }
    byte[] id = idBytes(requestId);
    return ByteBuffer.allocate(1 + id.length + 4 + aad.length)
        .put((byte) id.length)
        .put(id)
        .putInt(aad.length)
        .put(aad)
        .array();
  }

  private static byte[] idBytes(String requestId) throws SealException {
    if (!REQUEST_ID.matcher(requestId).matches()) {
      throw new SealException(
          SealException.Reason.FORMAT,
          "a request's id has 1 to 64 characters of A-Z, a-z, 0-9, '_' and '-'");
    }
    return requestId.getBytes(US_ASCII);
  }

  /// Additional data of part `number` of an answer.
  static byte[] boundPart(String requestId, long number, boolean last) {
    byte[] id = requestId.getBytes(US_ASCII);
    return ByteBuffer.allocate(1 + id.length + 8 + 1)
        .put((byte) id.length)
        .put(id)
        .putLong(number)
        .put((byte) (last ? 1 : 0))
        .array();
  }

  static byte[] answerKey(byte[] exported, byte[] salt) {
    try {
      return KDF.getInstance("HKDF-SHA256")
          .deriveData(
              HKDFParameterSpec.ofExtract()
                  .addIKM(exported)
                  .addSalt(salt)
                  .thenExpand(answerLabel(), 32));
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every JDK 25 has HKDF-SHA256", e);
    }
  }

  static Cipher cipher() {
    try {
      return Cipher.getInstance("ChaCha20-Poly1305");
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every JDK has ChaCha20-Poly1305", e);
    }
  }

  static void prepare(
      Cipher cipher, int mode, byte[] key, String requestId, long number, boolean last)
      throws GeneralSecurityException {
    byte[] nonce = ByteBuffer.allocate(12).putInt(0).putLong(number).array();
    cipher.init(mode, new SecretKeySpec(key, "ChaCha20"), new IvParameterSpec(nonce));
    cipher.updateAAD(boundPart(requestId, number, last));
  }

  static int paddedBytes(int length) {
    return (4 + length + PAD_BYTES - 1) / PAD_BYTES * PAD_BYTES;
  }

  static byte[] padded(byte[] text, String what) throws SealException {
    if (text.length > Limits.SEALED_BYTES) {
      throw new SealException(
          SealException.Reason.TOO_LARGE,
          what + " has " + text.length + " bytes; sealed, it may have " + Limits.SEALED_BYTES);
    }
    return ByteBuffer.allocate(paddedBytes(text.length)).putInt(text.length).put(text).array();
  }

  static byte[] unpadded(byte[] padded, String what) throws SealException {
    int length = padded.length < 4 ? -1 : ByteBuffer.wrap(padded).getInt();
    if (length < 0 || length > Limits.SEALED_BYTES || padded.length != paddedBytes(length)) {
      throw new SealException(
          SealException.Reason.FORMAT, what + " has a wrong length inside: its sealer is faulty");
    }
    return Arrays.copyOfRange(padded, 4, 4 + length);
  }
}
