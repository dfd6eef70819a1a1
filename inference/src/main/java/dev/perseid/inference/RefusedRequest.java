package dev.perseid.inference;

import java.util.OptionalLong;

/// A request that is not answered, from deep inside of reading it.
final class RefusedRequest extends Exception {
  private static final long serialVersionUID = 1;

  private final transient Failure failure;

  private RefusedRequest(Failure failure) {
    super(failure.message(), null, false, false);
    this.failure = failure;
  }

  Failure failure() {
    return failure;
  }

  static RefusedRequest invalid(String param, String message) {
    return new RefusedRequest(
        new Failure(Failure.Kind.INVALID, message, param, "", OptionalLong.empty()));
  }

  static RefusedRequest tooLong(String param, String message) {
    return new RefusedRequest(
        new Failure(
            Failure.Kind.TOO_LONG,
            message,
            param,
            "context_length_exceeded",
            OptionalLong.empty()));
  }

  static RefusedRequest broken(String message) {
    return new RefusedRequest(new Failure(Failure.Kind.BROKEN, message));
  }
}
