package dev.perseid.inference;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.core.Hash;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// Draws which requests are audited: by a secret, so that no provider can tell beforehand, and by
/// the request's id alone, so that nobody can choose afterwards. Whoever keeps the secret publishes
/// its [#commitment] first and the secret later; then everybody can check that the draw was fair.
///
/// It is drawn after the answer is complete. Until then an audited request is an ordinary one in
/// all that the provider sees.
public final class AuditDraw {
  /// What is done with an answered request.
  public enum Check {
    /// Nothing.
    NONE,
    /// It is read again with the true model ([Audit#check]).
    READ,
    /// It is asked again with the same seed ([Audit#repeat]).
    REPEAT,
    /// It is asked again with another seed ([Audit#copy]).
    ANEW
  }

  private final byte[] secret;

  /// @param secret 32 random bytes
  public AuditDraw(Hash secret) {
    this.secret = secret.bytes();
  }

  /// SHA-256 of the secret.
  public Hash commitment() {
    return Hash.sha256(secret);
  }

  /// What is done with this request.
  ///
  /// @param decision what is known of the provider that answered it
  public Check check(String requestId, AuditPolicy policy, Verdict.Decision decision) {
    if (below(mille("read", requestId), policy.reading(decision))) {
      return Check.READ;
    }
    if (decision != Verdict.Decision.CHEATING
        && below(mille("repeat", requestId), policy.repeat())) {
      return below(mille("same", requestId), 500) ? Check.REPEAT : Check.ANEW;
    }
    return Check.NONE;
  }

  /// Whether a canary follows the request with this id.
  public boolean canary(String requestId, AuditPolicy policy) {
    return below(mille("canary", requestId), policy.canary());
  }

  /// An unpredictable number for a purpose and a name, all 63 bits equally likely.
  long number(String purpose, String name) {
    try {
      Mac mac = Mac.getInstance("HmacSHA256");
      mac.init(new SecretKeySpec(secret, "HmacSHA256"));
      mac.update(purpose.getBytes(UTF_8));
      mac.update((byte) 0);
      return ByteBuffer.wrap(mac.doFinal(name.getBytes(UTF_8))).getLong() & Long.MAX_VALUE;
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every JDK has HMAC-SHA256", e);
    }
  }

  private long mille(String purpose, String name) {
    return number(purpose, name) % 1_000;
  }

  private static boolean below(long drawn, int permille) {
    return drawn < permille;
  }
}
