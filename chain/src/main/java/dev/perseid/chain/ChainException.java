package dev.perseid.chain;

import java.util.Optional;

/// A chain could not be asked, or said no. The message says what is wrong and what to do.
public final class ChainException extends Exception {
  /// What went wrong, as far as it decides what comes next.
  public enum Kind {
    /// No node answered in time. Ask again later.
    UNREACHABLE,
    /// A node said something impossible, or nodes contradict each other. Nothing of it was used.
    UNTRUSTED,
    /// It is another chain than was meant.
    WRONG_CHAIN,
    /// A contract says no; see [#revert].
    REVERTED,
    /// The node says no, or more than is taken at once.
    REFUSED,
    /// The account has too little for the gas.
    POOR,
    /// Gas costs more than the caller would pay. Ask again later.
    DEAR,
    /// What was given cannot be used: a token of the wrong kind, an address without a contract.
    INPUT
  }

  private final Kind kind;
  private final transient Optional<Revert> revert;

  /// @param message what is wrong and what to do
  public ChainException(Kind kind, String message) {
    super(message);
    this.kind = kind;
    this.revert = Optional.empty();
  }

  ChainException(Revert revert) {
    super(revert.sentence());
    this.kind = Kind.REVERTED;
    this.revert = Optional.of(revert);
  }

  static ChainException untrusted(String message) {
    return new ChainException(Kind.UNTRUSTED, message);
  }

  static ChainException input(String message) {
    return new ChainException(Kind.INPUT, message);
  }

  /// What went wrong.
  public Kind kind() {
    return kind;
  }

  /// What the contract said, if one did.
  public Optional<Revert> revert() {
    return revert == null ? Optional.empty() : revert;
  }

  /// The message of a failure; there always is one.
  public String text() {
    return String.valueOf(getMessage());
  }
}
