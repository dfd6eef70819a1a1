package dev.perseid.gateway;

/// The bounds of what translators take and keep, beside [GatewayLimits].
final class DialectLimits {
  /// Messages or items of one conversation.
  static final int MESSAGES = 4_096;

  /// Pieces of one message.
  static final int PIECES = 1_024;

  /// Tools that one request may offer.
  static final int TOOLS = 512;

  /// Characters of a tool's name.
  static final int TOOL_NAME_CHARS = 128;

  /// Tool calls of one answer.
  static final int TOOL_CALLS = 256;

  /// Characters of one answer that a translator keeps until its end.
  static final int ANSWER_CHARS = 32 << 20;

  /// Words at which an answer shall stop.
  static final int STOPS = 64;

  /// Tokens that an answer may be asked to have.
  static final long ANSWER_TOKENS = 100_000_000;

  /// Pairs of a request's metadata.
  static final int METADATA = 16;

  /// Characters of the name of a metadata pair.
  static final int METADATA_NAME_CHARS = 64;

  /// Characters of the value of a metadata pair.
  static final int METADATA_CHARS = 512;

  /// Longest body whose tokens are counted for free, bytes: counting is work on the connection's
  /// thread.
  static final int COUNTED_BYTES = 256 << 10;

  private DialectLimits() {}
}
