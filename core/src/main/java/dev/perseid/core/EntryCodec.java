package dev.perseid.core;

/// Entries as bytes: the content of a Merkle leaf.
public final class EntryCodec {
  private EntryCodec() {}

  /// Encodes an entry canonically: equal entries give equal bytes.
  public static byte[] encode(Entry entry) {
    throw new UnsupportedOperationException("soon");
  }

  /// Decodes what [#encode] made; throws [MalformedException] on anything else.
  public static Entry decode(byte[] bytes) {
    throw new UnsupportedOperationException("soon");
  }
}
