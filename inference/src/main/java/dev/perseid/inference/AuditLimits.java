package dev.perseid.inference;

/// Every limit and threshold of audits, in one place.
final class AuditLimits {
  /// Tokens of one answer that an audit compares; the rest is not looked at.
  static final int TOKENS = 4_096;

  /// Margins count up to this many logits: one absurd token must not weigh more than many odd ones.
  static final double MARGIN_CLIP = 2;

  /// When it is about clearing a provider they count up to this many only: many small ones are what
  /// would have to show.
  static final double FINE_CLIP = 0.1;

  /// Deviations of log probabilities count up to this many nats.
  static final double LOGPROB_CLIP = 1;

  /// Nats up to which an answer's improbability counts when it comes twice.
  static final double COPY_CLIP = 50;

  /// Share of that improbability which is believed: honest engines differ a little.
  static final double COPY_TRUST = 0.9;

  /// Share of the untruncated distribution that is mixed in, so that a token at the edge of the
  /// nucleus, where honest engines differ, is improbable and not impossible.
  static final double EDGE = 0.02;

  /// Share of the completion tokens claimed in excess that passes as a difference of conventions,
  /// and the one that does not.
  static final double COUNT_LOW = 0.005;

  static final double COUNT_HIGH = 0.03;

  /// Share of answers whose finish reason does not fit that passes, and that does not.
  static final double FINISH_LOW = 0.01;

  static final double FINISH_HIGH = 0.2;

  /// Share of the wealth that is staked on each pair of answers being copies.
  static final double COPY_STAKE = 0.1;

  /// Shares of the compared tokens at which repeated answers part: what passes and what does not.
  static final double REPEAT_LOW = 0.01;

  static final double REPEAT_HIGH = 0.1;

  /// Nats per token that an honest engine's distribution may be bent.
  static final double TILT_SLACK = 0.0005;

  /// How often an honest provider is ever called a cheat, over its whole life, by all signs
  /// together.
  static final double FALSE_ALARM = 1e-4;

  /// How often a sign that misbehaves by the upper threshold is cleared.
  static final double FALSE_CLEARANCE = 1e-2;

  /// Characters of a canary's template.
  static final int TEMPLATE_CHARS = 4_096;

  /// Tokens of a canary's known continuation.
  static final int CANARY_TOKENS = 64;

  private AuditLimits() {}
}
