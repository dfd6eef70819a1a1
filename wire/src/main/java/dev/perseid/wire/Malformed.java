package dev.perseid.wire;

/// A message that does not say anything: a hash of the wrong length, a negative size, a list past
/// its limit, an unknown kind. The message names the field and what belongs there.
public final class Malformed extends Exception {
  /// What is wrong and where.
  public Malformed(String message) {
    super(message, null, false, false);
  }
}
