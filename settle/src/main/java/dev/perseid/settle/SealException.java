package dev.perseid.settle;

import java.io.Serial;

/// A sealed request or answer that cannot be opened, or something that cannot be sealed. The
/// message names no content and no secret.
public final class SealException extends Exception {
  /// What went wrong, for whoever decides what comes next.
  public enum Reason {
    /// It is not in the format, or in a version that we do not know.
    FORMAT,
    /// It was sealed to another key than the one that shall open it.
    OTHER_KEY,
    /// It was changed on its way, or belongs to another request: bytes, id or bound data differ.
    /// For a part of an answer also: a part before it is missing, or came twice, or in another
    /// order.
    DAMAGED,
    /// The answer ended before its last part.
    TRUNCATED,
    /// Larger than the limits.
    TOO_LARGE,
    /// The public key is no X25519 key that can be sealed to.
    BAD_KEY
  }

  @Serial private static final long serialVersionUID = 1;

  private final Reason reason;

  SealException(Reason reason, String message) {
    super(message);
    this.reason = reason;
  }

  /// What went wrong.
  public Reason reason() {
    return reason;
  }
}
