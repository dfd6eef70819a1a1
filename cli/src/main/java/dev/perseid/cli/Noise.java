package dev.perseid.cli;

import dev.perseid.core.Hash;
import dev.perseid.node.PoolClient;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/// Bytes that stand in for a recorded file: pseudo-random (splitmix64 of the word's number), the
/// same on every machine, and readable from any offset without making what lies before it.
///
/// @param seed which noise
/// @param sizeBytes how much
record Noise(long seed, long sizeBytes) implements PoolClient.Content {
  private static final long GAMMA = 0x9e3779b97f4a7c15L;

  /// The noise that stands in for the file of this name and size.
  static Noise of(String name, long sizeBytes) {
    return new Noise(
        Hash.sha256((name + "\n" + sizeBytes).getBytes(StandardCharsets.UTF_8)).a(), sizeBytes);
  }

  @Override
  public InputStream open(long offset) {
    return new InputStream() {
      private long at = offset;

      @Override
      public int read() {
        return at >= sizeBytes ? -1 : byteAt(at++);
      }

      @Override
      public int read(byte[] out, int start, int length) {
        if (length == 0) {
          return 0;
        }
        int n = (int) Math.min(length, sizeBytes - at);
        if (n <= 0) {
          return -1;
        }
        int i = 0;
        while (i < n) {
          long word = word(at >>> 3);
          do {
            out[start + i] = (byte) (word >>> ((at & 7) << 3));
            i++;
            at++;
          } while (i < n && (at & 7) != 0);
        }
        return n;
      }
    };
  }

  private int byteAt(long offset) {
    return (int) (word(offset >>> 3) >>> ((offset & 7) << 3)) & 0xff;
  }

  private long word(long index) {
    long z = seed + (index + 1) * GAMMA;
    z = (z ^ (z >>> 30)) * 0xbf58476d1ce4e5b9L;
    z = (z ^ (z >>> 27)) * 0x94d049bb133111ebL;
    return z ^ (z >>> 31);
  }
}
