package dev.perseid.gateway;

/// Whether a client reads what it is sent. For one thread.
final class Drain {
  private long leftBytes;
  private long sinceMs;

  Drain(long nowMs) {
    sinceMs = nowMs;
  }

  /// Whether nothing of what waits has left for [GatewayLimits#UNREAD_MS]. To be called now and
  /// then.
  ///
  /// @param givenBytes what the connection was given so far, without the framing
  /// @param pendingBytes what of it waits, with the framing
  boolean isStuck(long givenBytes, long pendingBytes, long nowMs) {
    // More may wait than last time although the client reads: it is what has left that counts.
    long left = givenBytes - pendingBytes;
    if (pendingBytes == 0 || left > leftBytes) {
      sinceMs = nowMs;
    }
    leftBytes = left;
    return pendingBytes > 0 && nowMs - sinceMs > GatewayLimits.UNREAD_MS;
  }
}
