package dev.perseid.node;

import dev.perseid.sandbox.FreeHostMemory;
import java.nio.file.Path;
import java.util.OptionalLong;

/// Whether a probe may take more of this machine's memory: what is left for everything else must
/// stay. Looked at anew for each [#LOOK_BYTES], because others take memory too.
final class FreeMemory {
  private static final long LOOK_BYTES = 64L << 20;

  private final FreeHostMemory host = new FreeHostMemory(Path.of("/"));
  private long left;
  private boolean known = true;

  /// Whether so many bytes more may be taken; they count as taken then. Where the system does not
  /// say how much is free, all may.
  boolean has(long bytes) {
    if (left < bytes && known) {
      OptionalLong spare = host.spareBytes();
      known = spare.isPresent();
      left = Math.min(spare.orElse(0), Math.max(LOOK_BYTES, bytes));
    }
    left -= bytes;
    return !known || left >= 0;
  }
}
