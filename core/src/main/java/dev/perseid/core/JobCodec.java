package dev.perseid.core;

/// Job specifications as bytes.
public final class JobCodec {
  private JobCodec() {}

  /// Encodes a job canonically: equal jobs give equal bytes.
  public static byte[] encode(JobSpec spec) {
    throw new UnsupportedOperationException("soon");
  }

  /// Decodes what [#encode] made; throws [MalformedException] on anything else.
  public static JobSpec decode(byte[] bytes) {
    throw new UnsupportedOperationException("soon");
  }

  /// SHA-256 of the encoding: what the consumer signs.
  public static Hash specHash(JobSpec spec) {
    return Hash.sha256(encode(spec));
  }
}
