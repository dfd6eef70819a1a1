package dev.perseid.sandbox;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/// Whether more of this machine's own memory may be taken, by what is measured or for a device that
/// has none of its own. What everything else needs stays: 256 MiB and a sixteenth of all.
public final class FreeHostMemory {
  private static final long RESERVE_BYTES = 256L << 20;
  private static final int RESERVE_PART = 16;

  private final Path root;

  /// @param root `/`, or what stands for it in a test
  public FreeHostMemory(Path root) {
    this.root = root;
  }

  /// Whether so many bytes more may be taken. Where the system does not say how much is free, all
  /// may.
  boolean has(long bytes) {
    OptionalLong spare = spareBytes();
    return spare.isEmpty() || spare.getAsLong() >= bytes;
  }

  /// How much may be taken now, less than 0 if there is less than must stay; empty where the system
  /// does not say how much is free.
  public OptionalLong spareBytes() {
    OptionalLong free = kibibytes("proc/meminfo", "MemAvailable:");
    OptionalLong all = kibibytes("proc/meminfo", "MemTotal:");
    if (free.isEmpty() || all.isEmpty()) {
      return OptionalLong.empty();
    }
    long reserve = RESERVE_BYTES + all.getAsLong() / RESERVE_PART;
    return OptionalLong.of(Math.min(free.getAsLong(), freeInGroup()) - reserve);
  }

  /// What the group that this process is in may still take; very much if it has no limit.
  private long freeInGroup() {
    OptionalLong limit = number("sys/fs/cgroup/memory.max", "");
    OptionalLong used = number("sys/fs/cgroup/memory.current", "");
    if (limit.isEmpty() || used.isEmpty()) {
      return Long.MAX_VALUE;
    }
    // Of its use, files that can be read again do not count.
    long files = number("sys/fs/cgroup/memory.stat", "inactive_file").orElse(0);
    return limit.getAsLong() - used.getAsLong() + files;
  }

  private OptionalLong kibibytes(String file, String name) {
    OptionalLong number = number(file, name);
    return number.isPresent() ? OptionalLong.of(number.getAsLong() << 10) : number;
  }

  /// The number after a name at the beginning of a line.
  private OptionalLong number(String file, String name) {
    Pattern line =
        Pattern.compile("^" + Pattern.quote(name) + "\\s*(\\d{1,18})\\b", Pattern.MULTILINE);
    try {
      Matcher m = line.matcher(Files.readString(root.resolve(file), StandardCharsets.ISO_8859_1));
      return m.find() ? OptionalLong.of(Long.parseLong(m.group(1))) : OptionalLong.empty();
    } catch (IOException e) {
      return OptionalLong.empty();
    }
  }
}
