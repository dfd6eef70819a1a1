package dev.perseid.settle;

import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import javax.crypto.Cipher;

/// Seals the parts of one answer, in order. Not safe for several threads at once.
///
/// Each answer has a random salt and so a key of its own: whoever makes a provider open the same
/// request twice gets two answers, but never two texts under one key and nonce.
public final class AnswerSealer {
  private final String requestId;
  private final byte[] salt;
  private final byte[] key;
  private final Cipher cipher = Sealed.cipher();
  private long next;
  private boolean ended;

  AnswerSealer(String requestId, byte[] exported) {
    this(requestId, exported, freshSalt());
  }

  AnswerSealer(String requestId, byte[] exported, byte[] salt) {
    this.requestId = requestId;
    this.salt = salt;
    this.key = Sealed.answerKey(exported, salt);
  }

  private static byte[] freshSalt() {
    byte[] salt = new byte[Sealed.SALT_BYTES];
    new SecureRandom().nextBytes(salt);
    return salt;
  }

  /// Seals the next part.
  ///
  /// @param part at most 16 MiB, may be empty
  /// @param last whether the answer is complete with it
  /// @throws SealException if the part or the answer is too large; the answer cannot go on then
  /// @throws IllegalStateException after the last part
  public byte[] seal(byte[] part, boolean last) throws SealException {
    if (ended) {
      throw new IllegalStateException("the answer " + requestId + " has had its last part");
    }
    if (next >= Limits.SEALED_PARTS) {
      throw new SealException(
          SealException.Reason.TOO_LARGE,
          "an answer may have " + Limits.SEALED_PARTS + " sealed parts: put more into one part");
    }
    byte[] padded = Sealed.padded(part, "part " + next + " of the answer " + requestId);
    int head = 1 + (next == 0 ? salt.length : 0);
    ByteBuffer out = ByteBuffer.allocate(head + padded.length + Sealed.TAG_BYTES);
    out.put((byte) (last ? 1 : 0));
    if (next == 0) {
      out.put(salt);
    }
    try {
      Sealed.prepare(cipher, Cipher.ENCRYPT_MODE, key, requestId, next, last);
      cipher.doFinal(padded, 0, padded.length, out.array(), head);
    } catch (GeneralSecurityException e) {
      throw new IllegalStateException("ChaCha20-Poly1305 refused to seal", e);
    }
    next++;
    ended = last;
    return out.array();
  }
}
