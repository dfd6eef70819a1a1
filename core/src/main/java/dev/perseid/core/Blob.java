package dev.perseid.core;

/// Bytes named by what they are.
///
/// @param hash SHA-256 of the bytes
/// @param sizeBytes how many bytes
public record Blob(Hash hash, long sizeBytes) {
  /// The blob of no bytes.
  public static final Blob EMPTY = new Blob(Hash.EMPTY_BLOB, 0);
}
