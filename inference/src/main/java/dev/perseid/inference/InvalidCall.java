package dev.perseid.inference;

import java.util.OptionalLong;

/// A request that cannot be answered, with the failure to tell.
final class InvalidCall extends Exception {
  private static final long serialVersionUID = 1L;
  private final transient Failure failure;

  InvalidCall(Failure failure) {
    super(failure.message());
    this.failure = failure;
  }

  /// A parameter is wrong.
  InvalidCall(String param, String message) {
    this(new Failure(Failure.Kind.INVALID, message, param, "invalid_value", OptionalLong.empty()));
  }

  Failure failure() {
    return failure;
  }
}
