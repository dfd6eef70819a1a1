package dev.perseid.settle;

/// Every limit of this module, in one place.
final class Limits {
  /// Slots of the cache of string hashes; a power of two.
  static final int KNOWN_STRINGS_LOG2 = 10;

  static final int KNOWN_STRINGS = 1 << KNOWN_STRINGS_LOG2;

  /// Bytes of a keystore file; real ones have some 500.
  static final int KEY_FILE_BYTES = 16 * 1024;

  /// Bytes of a password file.
  static final int PASSWORD_FILE_BYTES = 1024;

  /// scrypt's memory, 128 * n * r bytes, that a keystore may ask for.
  static final long SCRYPT_BYTES = 1L << 30;

  /// scrypt's work, n * r * p, that a keystore may ask for: 8 times the standard.
  static final long SCRYPT_WORK = 1L << 24;

  /// Rounds of PBKDF2 that a keystore may ask for.
  static final int PBKDF2_ROUNDS = 10_000_000;

  /// Validity of a node's own certificate; a node makes a new one at each start.
  static final long CERTIFICATE_DAYS = 397;

  /// How far another machine's clock may be behind ours.
  static final long CLOCK_SKEW_DAYS = 1;

  /// Bytes of a PEM file.
  static final int PEM_FILE_BYTES = 1024 * 1024;

  /// Bytes of the body of a sealed request, and of one part of a sealed answer.
  static final int SEALED_BYTES = 16 * 1024 * 1024;

  /// Bytes of what a sealed request is bound to beside its id.
  static final int SEALED_AAD_BYTES = 64 * 1024;

  /// Parts of one sealed answer.
  static final long SEALED_PARTS = 1L << 24;

  /// Characters of a message to sign in with.
  static final int SIWE_CHARS = 8 * 1024;

  /// Characters of the header of a signed request.
  static final int SIGNED_REQUEST_CHARS = 1024;

  private Limits() {}
}
