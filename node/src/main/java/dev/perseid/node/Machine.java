package dev.perseid.node;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import java.util.stream.Stream;

/// What this machine is, in words and sizes. Never its name or that of its user.
final class Machine {
  private Machine() {}

  /// System, architecture, processor, cores and memory: at most 256 characters.
  static String description() {
    StringBuilder text = new StringBuilder();
    text.append(System.getProperty("os.name"))
        .append(' ')
        .append(System.getProperty("os.arch"))
        .append(", ");
    String model = field(Path.of("/proc/cpuinfo"), "model name");
    if (!model.isEmpty()) {
      text.append(model).append(", ");
    }
    int processors = Runtime.getRuntime().availableProcessors();
    text.append(processors).append(processors == 1 ? " core" : " cores");
    OptionalLong memory = memoryBytes();
    if (memory.isPresent()) {
      text.append(", ").append((memory.getAsLong() + (1L << 29)) >> 30).append(" GiB");
    }
    String printable = text.toString().replaceAll("[^\\x20-\\x7e]", "?").replaceAll(" +", " ");
    return printable.substring(0, Math.min(printable.length(), ProviderLimits.MACHINE_CHARS));
  }

  /// The machine's memory; absent where the system does not say.
  static OptionalLong memoryBytes() {
    String kib = field(Path.of("/proc/meminfo"), "MemTotal").replace(" kB", "");
    return kib.matches("\\d{1,15}")
        ? OptionalLong.of(Long.parseLong(kib) << 10)
        : OptionalLong.empty();
  }

  /// The value of the first line `name : value`, or nothing.
  private static String field(Path file, String name) {
    try (Stream<String> lines = Files.lines(file)) {
      return lines
          .filter(l -> l.startsWith(name) && l.contains(":"))
          .map(l -> l.substring(l.indexOf(':') + 1).strip())
          .findFirst()
          .orElse("");
    } catch (IOException | java.io.UncheckedIOException e) {
      return "";
    }
  }
}
