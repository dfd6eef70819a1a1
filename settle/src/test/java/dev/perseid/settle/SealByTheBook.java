package dev.perseid.settle;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.perseid.core.Hash;
import java.io.ByteArrayOutputStream;
import java.math.BigInteger;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.interfaces.XECPublicKey;
import java.security.spec.NamedParameterSpec;
import java.security.spec.XECPrivateKeySpec;
import java.security.spec.XECPublicKeySpec;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import javax.crypto.Cipher;
import javax.crypto.KeyAgreement;
import javax.crypto.Mac;
import javax.crypto.spec.IvParameterSpec;
import javax.crypto.spec.SecretKeySpec;

/// A second implementation of `docs/sealed-requests.md`, written from that text and from RFC 9180
/// alone, with the JDK's primitives: it shares no code with the one that is tested.
final class SealByTheBook {
  private static final byte[] SUITE_KEM = {'K', 'E', 'M', 0, 0x20};
  private static final byte[] SUITE = {'H', 'P', 'K', 'E', 0, 0x20, 0, 1, 0, 3};

  /// The state that a request leaves with both sides.
  record Context(Hash key, Hash nonce12, Hash exporter) {
    byte[] nonce() {
      return Arrays.copyOf(nonce12.bytes(), 12);
    }
  }

  private SealByTheBook() {}

  static Hash publicOf(Hash secret) throws GeneralSecurityException {
    byte[] nine = new byte[32];
    nine[0] = 9;
    return Hash.of(dh(secret, nine));
  }

  static Context recipient(Hash secret, byte[] enc, byte[] info) throws GeneralSecurityException {
    return schedule(secret, enc, enc, publicOf(secret).bytes(), info);
  }

  static Context sender(Hash ephemeral, Hash recipient, byte[] info)
      throws GeneralSecurityException {
    return schedule(
        ephemeral, recipient.bytes(), publicOf(ephemeral).bytes(), recipient.bytes(), info);
  }

  private static Context schedule(Hash own, byte[] other, byte[] enc, byte[] recipient, byte[] info)
      throws GeneralSecurityException {
    byte[] eaePrk = labeledExtract(SUITE_KEM, new byte[0], "eae_prk", dh(own, other));
    byte[] shared = labeledExpand(SUITE_KEM, eaePrk, "shared_secret", join(enc, recipient), 32);
    byte[] pskIdHash = labeledExtract(SUITE, new byte[0], "psk_id_hash", new byte[0]);
    byte[] infoHash = labeledExtract(SUITE, new byte[0], "info_hash", info);
    byte[] context = join(new byte[1], pskIdHash, infoHash);
    byte[] secret = labeledExtract(SUITE, shared, "secret", new byte[0]);
    return new Context(
        Hash.of(labeledExpand(SUITE, secret, "key", context, 32)),
        Hash.of(Arrays.copyOf(labeledExpand(SUITE, secret, "base_nonce", context, 12), 32)),
        Hash.of(labeledExpand(SUITE, secret, "exp", context, 32)));
  }

  static byte[] export(Context context, byte[] label, int length) throws GeneralSecurityException {
    return labeledExpand(SUITE, context.exporter().bytes(), "sec", label, length);
  }

  static byte[] aead(int mode, byte[] key, byte[] nonce, byte[] aad, byte[] text)
      throws GeneralSecurityException {
    Cipher cipher = Cipher.getInstance("ChaCha20-Poly1305");
    cipher.init(mode, new SecretKeySpec(key, "ChaCha20"), new IvParameterSpec(nonce));
    cipher.updateAAD(aad);
    return cipher.doFinal(text);
  }

  /// A sealed request, from the document.
  static byte[] request(Hash ephemeral, Hash recipient, String id, byte[] aad, byte[] body)
      throws GeneralSecurityException {
    Context context = sender(ephemeral, recipient, ascii("perseid sealed request 1"));
    byte[] sealed =
        aead(
            Cipher.ENCRYPT_MODE, context.key().bytes(), context.nonce(), bound(id, aad), pad(body));
    return join(
        new byte[] {1}, Arrays.copyOf(recipient.bytes(), 8), publicOf(ephemeral).bytes(), sealed);
  }

  /// The body of a sealed request, from the document.
  static byte[] body(Hash secret, String id, byte[] aad, byte[] request)
      throws GeneralSecurityException {
    Context context = context(secret, request);
    byte[] sealed = Arrays.copyOfRange(request, 41, request.length);
    return unpad(
        aead(Cipher.DECRYPT_MODE, context.key().bytes(), context.nonce(), bound(id, aad), sealed));
  }

  static Context context(Hash secret, byte[] request) throws GeneralSecurityException {
    return recipient(secret, Arrays.copyOfRange(request, 9, 41), ascii("perseid sealed request 1"));
  }

  /// A sealed answer, from the document.
  static List<byte[]> answer(Context context, String id, Hash salt, List<byte[]> texts)
      throws GeneralSecurityException {
    byte[] key = answerKey(context, salt.bytes());
    List<byte[]> parts = new ArrayList<>();
    for (int i = 0; i < texts.size(); i++) {
      byte last = (byte) (i == texts.size() - 1 ? 1 : 0);
      byte[] sealed =
          aead(Cipher.ENCRYPT_MODE, key, number(i), boundPart(id, i, last), pad(texts.get(i)));
      parts.add(join(new byte[] {last}, i == 0 ? salt.bytes() : new byte[0], sealed));
    }
    return parts;
  }

  /// The texts of a sealed answer, from the document.
  static List<byte[]> texts(Context context, String id, List<byte[]> parts)
      throws GeneralSecurityException {
    byte[] key = answerKey(context, Arrays.copyOfRange(parts.getFirst(), 1, 33));
    List<byte[]> texts = new ArrayList<>();
    for (int i = 0; i < parts.size(); i++) {
      byte[] part = parts.get(i);
      byte[] sealed = Arrays.copyOfRange(part, i == 0 ? 33 : 1, part.length);
      texts.add(
          unpad(aead(Cipher.DECRYPT_MODE, key, number(i), boundPart(id, i, part[0]), sealed)));
    }
    return texts;
  }

  private static byte[] answerKey(Context context, byte[] salt) throws GeneralSecurityException {
    byte[] label = ascii("perseid sealed answer 1");
    return expand(hmac(salt, export(context, label, 32)), label, 32);
  }

  private static byte[] number(long n) {
    return ByteBuffer.allocate(12).putLong(4, n).array();
  }

  private static byte[] bound(String id, byte[] aad) {
    return join(
        new byte[] {(byte) id.length()},
        ascii(id),
        ByteBuffer.allocate(4).putInt(aad.length).array(),
        aad);
  }

  private static byte[] boundPart(String id, long number, byte last) {
    return join(
        new byte[] {(byte) id.length()},
        ascii(id),
        ByteBuffer.allocate(8).putLong(number).array(),
        new byte[] {last});
  }

  private static byte[] pad(byte[] text) {
    int length = text.length + 4;
    while (length % 512 != 0) {
      length++;
    }
    return ByteBuffer.allocate(length).putInt(text.length).put(text).array();
  }

  private static byte[] unpad(byte[] padded) {
    return Arrays.copyOfRange(padded, 4, 4 + ByteBuffer.wrap(padded).getInt());
  }

  private static byte[] dh(Hash secret, byte[] other) throws GeneralSecurityException {
    KeyFactory keys = KeyFactory.getInstance("X25519");
    PrivateKey own =
        keys.generatePrivate(new XECPrivateKeySpec(NamedParameterSpec.X25519, secret.bytes()));
    byte[] bigEndian = other.clone();
    for (int i = 0; i < 16; i++) {
      byte b = bigEndian[i];
      bigEndian[i] = bigEndian[31 - i];
      bigEndian[31 - i] = b;
    }
    bigEndian[0] &= 0x7f;
    PublicKey theirs =
        keys.generatePublic(
            new XECPublicKeySpec(NamedParameterSpec.X25519, new BigInteger(1, bigEndian)));
    if (!(theirs instanceof XECPublicKey)) {
      throw new GeneralSecurityException("no X25519 key");
    }
    KeyAgreement agreement = KeyAgreement.getInstance("X25519");
    agreement.init(own);
    agreement.doPhase(theirs, true);
    return agreement.generateSecret();
  }

  private static byte[] labeledExtract(byte[] suite, byte[] salt, String label, byte[] ikm)
      throws GeneralSecurityException {
    return hmac(
        salt.length == 0 ? new byte[32] : salt, join(ascii("HPKE-v1"), suite, ascii(label), ikm));
  }

  private static byte[] labeledExpand(
      byte[] suite, byte[] prk, String label, byte[] info, int length)
      throws GeneralSecurityException {
    byte[] size = ByteBuffer.allocate(2).putShort((short) length).array();
    return expand(prk, join(size, ascii("HPKE-v1"), suite, ascii(label), info), length);
  }

  /// HKDF-Expand for at most 32 bytes.
  private static byte[] expand(byte[] prk, byte[] info, int length)
      throws GeneralSecurityException {
    return Arrays.copyOf(hmac(prk, join(info, new byte[] {1})), length);
  }

  private static byte[] hmac(byte[] key, byte[] text) throws GeneralSecurityException {
    Mac mac = Mac.getInstance("HmacSHA256");
    mac.init(new SecretKeySpec(key, "HmacSHA256"));
    return mac.doFinal(text);
  }

  private static byte[] ascii(String text) {
    return text.getBytes(US_ASCII);
  }

  private static byte[] join(byte[]... parts) {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    for (byte[] part : parts) {
      out.writeBytes(part);
    }
    return out.toByteArray();
  }
}
