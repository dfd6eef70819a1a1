package dev.perseid.core;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.HexFormat;

/// The name of a job for ever: the first 16 bytes of SHA-256(consumer address, nonce). A consumer
/// that submits again after a lost answer uses the same nonce, hence the same id, and gets the same
/// job.
public record JobId(long a, long b) implements Comparable<JobId> {
  /// The id of the job which `consumer` submits under `nonce`.
  public static JobId of(Address consumer, long nonce) {
    Hash h = Hash.sha256(ByteBuffer.allocate(28).put(consumer.bytes()).putLong(nonce).array());
    return new JobId(h.a(), h.b());
  }

  /// Under which a pool keeps the records of a consumer's requests to models.
  public static JobId tab(Address consumer) {
    byte[] name = "perseid tab".getBytes(StandardCharsets.US_ASCII);
    Hash h =
        Hash.sha256(ByteBuffer.allocate(name.length + 20).put(name).put(consumer.bytes()).array());
    return new JobId(h.a(), h.b());
  }

  /// Parses 32 hexadecimal digits.
  public static JobId parse(String text) {
    if (!text.matches("[0-9a-f]{32}")) {
      throw new IllegalArgumentException(
          "'" + text + "' is not a job id: write 32 lower-case hexadecimal digits");
    }
    ByteBuffer in = ByteBuffer.wrap(HexFormat.of().parseHex(text));
    return new JobId(in.getLong(), in.getLong());
  }

  @Override
  public int compareTo(JobId o) {
    int x = Long.compareUnsigned(a, o.a);
    return x != 0 ? x : Long.compareUnsigned(b, o.b);
  }

  /// 32 lower-case hexadecimal digits.
  @Override
  public String toString() {
    return HexFormat.of().toHexDigits(a) + HexFormat.of().toHexDigits(b);
  }
}
