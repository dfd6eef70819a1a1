package dev.perseid.node;

/// A pool could not be reached, or did not do what it was asked. The message says what is wrong and
/// what to do; it is for people.
public final class PoolFailure extends Exception {
  /// What kind of failure.
  public enum Kind {
    /// No answer: wrong address, not running, network down, certificate not that of the pool.
    UNREACHABLE,
    /// It answered no.
    REFUSED
  }

  private final Kind kind;
  private final String code;

  /// @param code a stable word for programs, e.g. `INSUFFICIENT_CREDITS`
  public PoolFailure(Kind kind, String code, String message) {
    super(message);
    this.kind = kind;
    this.code = code;
  }

  /// What kind of failure.
  public Kind kind() {
    return kind;
  }

  /// A stable word for programs.
  public String code() {
    return code;
  }
}
