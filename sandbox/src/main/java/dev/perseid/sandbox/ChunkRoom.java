package dev.perseid.sandbox;

import java.util.function.IntSupplier;

/// Takes a device's memory in as few buffers as it allows, and all of it if so much is wanted.
final class ChunkRoom {
  private ChunkRoom() {}

  /// Takes a buffer.
  interface Buffers {
    /// Whether there was room for these chunks; first counts those of all buffers before.
    boolean take(int first, int count) throws OpenCl.Refusal;
  }

  /// @param wanted how many chunks; may become fewer meanwhile
  /// @param most how many chunks there is room for at most
  /// @param mostInOne how many of them a buffer may have
  /// @return for how many there was room
  static int take(IntSupplier wanted, long most, long mostInOne, Buffers buffers)
      throws OpenCl.Refusal {
    int count = 0;
    long next = mostInOne;
    while (next > 0) {
      int more = (int) Math.min(Math.min(wanted.getAsInt(), most) - count, next);
      if (more <= 0) {
        break;
      }
      if (buffers.take(count, more)) {
        count += more;
      } else {
        next = more / 2; // there may still be room for fewer
      }
    }
    return count;
  }
}
