package dev.perseid.gateway;

/// The bounds of everything at a gateway.
final class GatewayLimits {
  /// Longest body of a request, bytes, unless the operator says otherwise.
  static final int BODY_BYTES = 10 << 20;

  /// All bodies that are being received or answered, bytes.
  static final long BODIES_BYTES = 512L << 20;

  /// Longest request line, bytes: a path with a model's name.
  static final int LINE_BYTES = 8 << 10;

  /// All headers of a request, bytes.
  static final int HEADER_BYTES = 16 << 10;

  /// Connections at once, unless the operator says otherwise.
  static final int CONNECTIONS = 10_000;

  /// A request must be there whole within this time from its first byte.
  static final long REQUEST_MS = 60_000;

  /// A connection without a request is closed after this time.
  static final long IDLE_CONNECTION_MS = 120_000;

  /// Requests that a client may send ahead on one connection, bytes.
  static final int AHEAD_BYTES = 256 << 10;

  /// Objects and lists within one another in a body.
  static final int JSON_DEPTH = 128;

  /// Digits of a number in a body.
  static final int JSON_NUMBER_CHARS = 200;

  /// Characters of a field's name in a body.
  static final int JSON_NAME_CHARS = 1_000;

  /// Characters of a client's word that a message repeats.
  static final int SHOWN_CHARS = 120;

  /// Longest model name in a request.
  static final int MODEL_CHARS = 256;

  /// Models that one request may name.
  static final int MODELS = 8;

  /// Entries of a list among a request's wishes.
  static final int WISHES = 64;

  /// Choices that one request may want.
  static final int CHOICES = 128;

  /// Texts of one request for embeddings.
  static final int INPUTS = 2_048;

  /// How much of a conversation's beginning decides who is asked, bytes.
  static final int AFFINITY_BYTES = 4_096;

  /// Attempts for one request, over all providers.
  static final int ATTEMPTS = 6;

  /// Tokens of an answer that are paid for where neither request nor offer has a limit.
  static final long ANSWER_TOKENS = 8_192;

  /// An answer that is kept until it is complete, bytes.
  static final int ANSWER_BYTES = 64 << 20;

  /// What may wait in memory for a client that reads slowly, bytes.
  static final int UNREAD_BYTES = 1 << 20;

  /// A client that does not read the end of its answer within this time is cut off.
  static final long UNREAD_MS = 30_000;

  /// Requests that are answered at once, unless the operator says otherwise.
  static final int RUNNING = 8_192;

  /// Requests of one key that are answered at once, unless the operator says otherwise.
  static final int RUNNING_PER_KEY = 4_096;

  /// Requests that wait, unless the operator says otherwise.
  static final int WAITING = 1_024;

  /// Requests of one key that wait, unless the operator says otherwise.
  static final int WAITING_PER_KEY = 64;

  /// Longest wait for a turn, unless the operator says otherwise.
  static final long WAITING_MS = 20_000;

  /// How often those who wait look whether a provider has room.
  static final long LOOK_MS = 50;

  /// Shortest and longest time that a client is told to wait before it tries again.
  static final long RETRY_LEAST_MS = 250;

  static final long RETRY_MOST_MS = 60_000;

  /// An offer that failed is not asked for this long, then twice as long, up to the most.
  static final long BREAK_FIRST_MS = 500;

  static final long BREAK_MOST_MS = 2_000;

  /// The same for an offer that let somebody wait in vain, which costs more to try.
  static final long BREAK_SILENT_MS = 10_000;

  /// Offers whose failures are remembered.
  static final int BREAKERS = 65_536;

  /// Wrong keys from one address within a minute.
  static final int WRONG_KEYS = 20;

  /// Addresses whose wrong keys are counted.
  static final int WRONG_KEY_ADDRESSES = 4_096;

  /// Good keys that are known to be good while their address sends too many wrong ones.
  static final int GOOD_KEYS = 4_096;

  /// Longest key, characters.
  static final int KEY_CHARS = 512;

  /// Longest payment in a header, characters.
  static final int PAYMENT_CHARS = 8 << 10;

  /// Longest signature in a payment, hexadecimal digits: a contract's may be long.
  static final int SIGNATURE_DIGITS = 4 << 10;

  /// Requests without a key from one address within a minute; an IPv6 network of 64 bits is one.
  static final int UNPAID = 300;

  /// Payments of one address within a minute that are wrong.
  static final int WRONG_PAYMENTS = 30;

  /// Addresses whose requests without a key are counted.
  static final int UNPAID_ADDRESSES = 4_096;

  /// All bodies of requests without a key, bytes.
  static final long UNPAID_BODIES_BYTES = 64L << 20;

  /// Prompts of requests without a key whose tokens are counted within a second, bytes; those
  /// beyond are taken to have a token in each byte.
  static final long UNPAID_COUNTED_BYTES = 256 << 10;

  /// How long a `voucher` or an authorization should be good, seconds, as payers are told.
  static final int PAYMENT_S = 120;

  private GatewayLimits() {}
}
