package dev.perseid.gateway;

import dev.perseid.core.Text;
import dev.perseid.inference.Failure;
import java.util.OptionalLong;

/// Why a request gets no answer, or not to its end. Every dialect renders it in its own shape.
final class Problem extends Exception {
  /// What kind of problem, with the HTTP status that most dialects give it.
  enum Kind {
    /// The request is wrong.
    INVALID(400),
    /// No key, or one that nobody has.
    UNAUTHENTICATED(401),
    /// The account cannot pay for it.
    UNPAID(402),
    /// A browser's page that may not ask, or a key whose rights do not go so far.
    FORBIDDEN(403),
    /// There is no such path, model or thing.
    NOT_FOUND(404),
    /// The path exists, for other methods.
    METHOD(405),
    /// The client took too long to send its request.
    SLOW(408),
    /// The body is too long.
    TOO_LARGE(413),
    /// The header is too long.
    HEADER_TOO_LARGE(431),
    /// Too much at once: later.
    TOO_MANY(429),
    /// A bug of ours.
    INTERNAL(500),
    /// Every provider that was asked failed.
    BROKEN(502),
    /// Nobody serves it now.
    UNAVAILABLE(503),
    /// Nothing came within the time.
    LATE(504);

    private final int status;

    Kind(int status) {
      this.status = status;
    }

    /// HTTP status.
    int status() {
      return status;
    }
  }

  private final Kind kind;
  private final String text;
  private final String param;
  private final String code;
  private final OptionalLong retryAfterMs;

  /// @param kind what kind
  /// @param text what is wrong and what to do, for the client
  /// @param param the request's field that is wrong, or empty
  /// @param code a word for programs, or empty
  /// @param retryAfterMs when to try again, if that may help
  Problem(Kind kind, String text, String param, String code, OptionalLong retryAfterMs) {
    super(text, null, false, false);
    this.kind = kind;
    this.text = text;
    this.param = param;
    this.code = code;
    this.retryAfterMs = retryAfterMs;
  }

  Problem(Kind kind, String text, String code) {
    this(kind, text, "", code, OptionalLong.empty());
  }

  /// A field of the request is wrong.
  static Problem invalid(String param, String text) {
    return new Problem(Kind.INVALID, text, param, "", OptionalLong.empty());
  }

  /// There is no such model.
  static Problem noModel(String name) {
    return new Problem(
        Kind.NOT_FOUND,
        "The model '" + shown(name) + "' does not exist here. GET /v1/models lists those that do.",
        "model",
        "model_not_found",
        OptionalLong.empty());
  }

  /// What a failure of the last provider that was asked means for the client.
  static Problem of(Failure failure) {
    Kind kind =
        switch (failure.kind()) {
          case INVALID, TOO_LONG, REFUSED -> Kind.INVALID;
          case BUSY -> Kind.TOO_MANY;
          case BROKEN, CANCELLED -> Kind.BROKEN;
          case TIMEOUT -> Kind.LATE;
          case UNPAID -> Kind.UNPAID;
        };
    String code = failure.code();
    if (code.isEmpty()) {
      code =
          switch (failure.kind()) {
            case INVALID -> "";
            case TOO_LONG -> "context_length_exceeded";
            case REFUSED -> "content_filter";
            case BUSY -> "provider_busy";
            case BROKEN, CANCELLED -> "provider_failed";
            case TIMEOUT -> "provider_timeout";
            case UNPAID -> "insufficient_quota";
          };
    }
    return new Problem(kind, failure.message(), failure.param(), code, failure.retryAfterMs());
  }

  /// A client's word in a message: bounded, without control characters.
  static String shown(String word) {
    return Text.shown(word, GatewayLimits.SHOWN_CHARS);
  }

  Kind kind() {
    return kind;
  }

  /// HTTP status.
  int status() {
    return kind.status();
  }

  /// What is wrong, for the client.
  String text() {
    return text;
  }

  /// The field that is wrong, or empty.
  String param() {
    return param;
  }

  /// A word for programs, or empty.
  String code() {
    return code;
  }

  OptionalLong retryAfterMs() {
    return retryAfterMs;
  }
}
