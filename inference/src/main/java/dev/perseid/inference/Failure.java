package dev.perseid.inference;

import java.util.OptionalLong;

/// Why a request was not answered, or not to its end.
///
/// @param kind what follows from it
/// @param message one or two sentences for the consumer
/// @param param the request's field that is wrong, or empty
/// @param code the backend's own word for it (e.g. `context_length_exceeded`), or empty
/// @param retryAfterMs when it may be worth to try the same backend again, if it said so
public record Failure(
    Kind kind, String message, String param, String code, OptionalLong retryAfterMs) {
  /// What a failure means for what comes next.
  public enum Kind {
    /// The request itself is wrong: nobody would answer it. (HTTP 400)
    INVALID,
    /// Prompt and answer are longer than this backend takes; another may take more. (400)
    TOO_LONG,
    /// The backend refuses for the content's sake: it is not asked of another one. (400)
    REFUSED,
    /// The backend has too much to do; another may not. (429, 503)
    BUSY,
    /// The backend is broken, gone, silent or answers rubbish; another may not. (502)
    BROKEN,
    /// Nothing came within the time. (504)
    TIMEOUT,
    /// The listener gave up.
    CANCELLED,
    /// The consumer cannot pay what it may cost. Only markets say this. (402)
    UNPAID
  }

  /// With nothing but its kind and what to say.
  public Failure(Kind kind, String message) {
    this(kind, message, "", "", OptionalLong.empty());
  }
}
