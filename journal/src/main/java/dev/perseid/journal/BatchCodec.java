package dev.perseid.journal;

import static java.nio.charset.StandardCharsets.US_ASCII;

import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.SignedBatch;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.List;

/// A signed batch as bytes: number (8), provider (20), count (4), the digests (32 each), the
/// signature's characters (to the end). Big-endian.
final class BatchCodec {
  private static final int HEAD = 32;

  private BatchCodec() {}

  static byte[] encode(SignedBatch batch) {
    byte[] signature = batch.signature().getBytes(US_ASCII);
    byte[] out = new byte[HEAD + 32 * batch.digests().size() + signature.length];
    ByteBuffer head = ByteBuffer.wrap(out);
    head.putLong(batch.number()).put(batch.provider().bytes()).putInt(batch.digests().size());
    int at = HEAD;
    for (Hash digest : batch.digests()) {
      digest.write(out, at);
      at += 32;
    }
    System.arraycopy(signature, 0, out, at, signature.length);
    return out;
  }

  /// Decodes what [#encode] made; the caller has checked that it is whole.
  static SignedBatch decode(byte[] bytes) {
    ByteBuffer in = ByteBuffer.wrap(bytes);
    long number = in.getLong();
    byte[] provider = new byte[20];
    in.get(provider);
    int count = in.getInt();
    if (count < 0 || count > (bytes.length - HEAD) / 32) {
      throw new IllegalArgumentException(
          "a batch of " + bytes.length + " bytes cannot hold " + count + " digests");
    }
    List<Hash> digests = new ArrayList<>(count);
    for (int i = 0; i < count; i++) {
      digests.add(Hash.of(bytes, HEAD + 32 * i));
    }
    int at = HEAD + 32 * count;
    return new SignedBatch(
        number,
        Address.of(provider),
        List.copyOf(digests),
        new String(bytes, at, bytes.length - at, US_ASCII));
  }
}
