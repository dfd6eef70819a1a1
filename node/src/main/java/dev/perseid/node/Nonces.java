package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import java.nio.ByteBuffer;
import java.security.GeneralSecurityException;
import java.security.SecureRandom;
import java.util.Iterator;
import java.util.LinkedHashMap;
import java.util.Map;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

/// What callers sign to prove that they are here now. A nonce names its time and is sealed with a
/// secret of this process, so that giving one away costs no memory: whoever asks for millions fills
/// nothing and delays nobody. Only those that opened a session are remembered, until they end. Safe
/// for any thread.
final class Nonces {
  private static final String ALGORITHM = "HmacSHA256";

  private final SecretKeySpec secret;
  private final SecureRandom random = new SecureRandom();
  // In the order in which they end.
  private final LinkedHashMap<Hash, Long> used = new LinkedHashMap<>();

  Nonces() {
    byte[] bytes = new byte[32];
    random.nextBytes(bytes);
    this.secret = new SecretKeySpec(bytes, ALGORITHM);
  }

  /// A fresh one.
  ///
  /// @param who may use it; [Address#ZERO] for anybody
  Hash make(Address who, long nowMs) {
    return sealed(who, nowMs, random.nextLong());
  }

  private Hash sealed(Address who, long madeMs, long chance) {
    byte[] seal =
        mac()
            .doFinal(
                ByteBuffer.allocate(36).put(who.bytes()).putLong(madeMs).putLong(chance).array());
    ByteBuffer s = ByteBuffer.wrap(seal);
    return new Hash(madeMs, chance, s.getLong(), s.getLong());
  }

  private Mac mac() {
    try {
      Mac mac = Mac.getInstance(ALGORITHM);
      mac.init(secret);
      return mac;
    } catch (GeneralSecurityException e) {
      throw new AssertionError("every JDK has " + ALGORITHM, e);
    }
  }

  /// Whether it was made here for `who`, less than [PoolLimits#CHALLENGE_MS] ago, and opened no
  /// session yet.
  boolean isGood(Hash nonce, Address who, long nowMs) {
    Hash expected = sealed(who, nonce.a(), nonce.b());
    // In one go, so that the time tells nothing about how much of it was right.
    boolean ours = ((expected.c() ^ nonce.c()) | (expected.d() ^ nonce.d())) == 0;
    if (!ours || nowMs - nonce.a() >= PoolLimits.CHALLENGE_MS || nowMs < nonce.a()) {
      return false;
    }
    synchronized (used) {
      return !used.containsKey(nonce);
    }
  }

  /// Uses it up; false if it was before.
  boolean spend(Hash nonce, long nowMs) {
    synchronized (used) {
      Iterator<Map.Entry<Hash, Long>> oldest = used.entrySet().iterator();
      while (oldest.hasNext() && oldest.next().getValue() <= nowMs) {
        oldest.remove();
      }
      return used.putIfAbsent(nonce, nowMs + PoolLimits.CHALLENGE_MS) == null;
    }
  }
}
