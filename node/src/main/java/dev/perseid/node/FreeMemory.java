package dev.perseid.node;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.stream.Stream;

/// Whether a probe may take more of this machine's memory: what is left for everything else must
/// stay. Looked at anew for each [#LOOK_BYTES], because others take memory too.
final class FreeMemory {
  private static final long LOOK_BYTES = 64L << 20;
  private static final Path CGROUP = Path.of("/sys/fs/cgroup");

  private final long reserveBytes;
  private long left;
  private boolean known = true;

  FreeMemory() {
    long all = Machine.memoryBytes().orElse(0);
    reserveBytes = ProviderLimits.PROBE_RESERVE_BYTES + all / 16;
  }

  /// Whether so many bytes more may be taken; they count as taken then. Where the system does not
  /// say how much is free, all may.
  boolean has(long bytes) {
    if (left < bytes && known) {
      OptionalLong free = freeBytes();
      known = free.isPresent();
      left = Math.min(free.orElse(0) - reserveBytes, Math.max(LOOK_BYTES, bytes));
    }
    left -= bytes;
    return !known || left >= 0;
  }

  /// What can be taken without others being pushed out, by the machine and by the group that this
  /// process is in.
  private static OptionalLong freeBytes() {
    OptionalLong machine = Machine.availableBytes();
    long limit = number(CGROUP.resolve("memory.max"));
    long used = number(CGROUP.resolve("memory.current"));
    if (machine.isEmpty() || limit < 0 || used < 0) {
      return machine;
    }
    return OptionalLong.of(Math.min(machine.getAsLong(), limit - used + cache()));
  }

  /// What the group's use has of files that can be read again.
  private static long cache() {
    try (Stream<String> lines = Files.lines(CGROUP.resolve("memory.stat"))) {
      return lines
          .filter(l -> l.matches("inactive_file \\d{1,18}"))
          .mapToLong(l -> Long.parseLong(l.substring(l.indexOf(' ') + 1)))
          .findFirst()
          .orElse(0);
    } catch (IOException | UncheckedIOException e) {
      return 0;
    }
  }

  /// The number in a file; -1 if there is none.
  private static long number(Path file) {
    try {
      String text = Files.readString(file).strip();
      return text.matches("\\d{1,18}") ? Long.parseLong(text) : -1;
    } catch (IOException e) {
      return -1;
    }
  }
}
