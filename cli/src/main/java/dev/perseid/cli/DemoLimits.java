package dev.perseid.cli;

/// How long the demo waits for what, in one place.
final class DemoLimits {
  /// Until its providers have joined.
  static final long JOIN_NS = 90_000_000_000L;

  /// Until its providers have ended by themselves.
  static final long END_MS = 15_000;

  /// Until the models are served.
  static final long READY_NS = 90_000_000_000L;

  /// Until the requests stand in the log.
  static final long RECORDED_NS = 20_000_000_000L;

  /// Until npm has fetched the client, once.
  static final int FETCH_S = 120;

  /// Until Node has said which client it has.
  static final int CHECK_S = 30;

  /// For one request and its whole answer.
  static final int ANSWER_S = 60;

  /// Of a line that a program printed, shown to a person.
  static final int SHOWN_CHARS = 200;

  private DemoLimits() {}
}
