package dev.perseid.bench;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.TimeUnit;

/// The machine on which a benchmark ran, and how busy it was with other things. Linux only, as the
/// benchmarks are.
final class Host {
  /// Processor time since boot, in ticks of [#TICK_MS].
  private record Ticks(long busy, long stolen, long all) {}

  static final long TICK_MS = 10;

  private final Ticks begun;
  private final String loadBefore;

  private Host(Ticks begun, String loadBefore) {
    this.begun = begun;
    this.loadBefore = loadBefore;
  }

  /// Looks at the machine before a benchmark.
  static Host now() throws IOException {
    return new Host(ticks(), load());
  }

  /// One line about the machine, from [#now] until this call.
  String state(Path home) throws IOException {
    Ticks end = ticks();
    double all = Math.max(1, end.all - begun.all);
    return String.format(
        Locale.ROOT,
        "%d cores (%s), load %s before and %s after, all processes used %.0f %% of them and %.1f %%"
            + " were stolen, JDK %s, commit %s",
        Runtime.getRuntime().availableProcessors(),
        processor(),
        loadBefore,
        load(),
        100 * (end.busy - begun.busy) / all,
        100 * (end.stolen - begun.stolen) / all,
        Runtime.version(),
        commit(home));
  }

  private static Ticks ticks() throws IOException {
    // cpu user nice system idle iowait irq softirq steal
    String[] f = Files.readAllLines(Path.of("/proc/stat")).getFirst().split(" +", -1);
    long all = 0;
    for (int i = 1; i <= 8; i++) {
      all += Long.parseLong(f[i]);
    }
    long idle = Long.parseLong(f[4]) + Long.parseLong(f[5]);
    long stolen = Long.parseLong(f[8]);
    return new Ticks(all - idle - stolen, stolen, all);
  }

  private static String load() throws IOException {
    return Files.readString(Path.of("/proc/loadavg")).split(" ", -1)[0];
  }

  private static String processor() throws IOException {
    List<String> lines = Files.readAllLines(Path.of("/proc/cpuinfo"));
    for (String line : lines) {
      if (line.startsWith("model name")) {
        return line.substring(line.indexOf(':') + 1).strip();
      }
    }
    return System.getProperty("os.arch");
  }

  private static String commit(Path home) throws IOException {
    Process git =
        new ProcessBuilder("git", "-C", home.toString(), "describe", "--always", "--dirty")
            .redirectErrorStream(true)
            .start();
    String said = new String(git.getInputStream().readAllBytes(), StandardCharsets.UTF_8).strip();
    try {
      return git.waitFor(5, TimeUnit.SECONDS) && git.exitValue() == 0 ? said : "unknown";
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return "unknown";
    }
  }
}
