package dev.perseid.bench;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Stream;

/// Processor time (user and system) that a process and its living descendants have used, from
/// `/proc`, in steps of [Host#TICK_MS].
///
/// @param own seconds of the process itself
/// @param children seconds of its descendants, e.g. the engines of a provider
record CpuTime(double own, double children) {
  /// Reads it for a process; zero for one that is gone.
  static CpuTime of(long pid) throws IOException {
    Map<Long, List<Long>> childrenOf = new HashMap<>();
    Map<Long, Double> used = new HashMap<>();
    try (Stream<Path> entries = Files.list(Path.of("/proc"))) {
      for (Path entry : entries.toList()) {
        String name = entry.getFileName().toString();
        if (Character.isDigit(name.charAt(0))) {
          read(entry.resolve("stat"), Long.parseLong(name), childrenOf, used);
        }
      }
    }
    double children = 0;
    List<Long> open = new ArrayList<>(childrenOf.getOrDefault(pid, List.of()));
    while (!open.isEmpty()) {
      long next = open.removeLast();
      children += used.getOrDefault(next, 0.0);
      open.addAll(childrenOf.getOrDefault(next, List.of()));
    }
    return new CpuTime(used.getOrDefault(pid, 0.0), children);
  }

  private static void read(
      Path stat, long pid, Map<Long, List<Long>> childrenOf, Map<Long, Double> used) {
    String text;
    try {
      text = Files.readString(stat);
    } catch (IOException e) {
      return; // it has ended
    }
    // The name in brackets may contain anything; what follows is: state ppid ... utime(14)
    // stime(15)
    String[] fields = text.substring(text.lastIndexOf(')') + 2).split(" ", -1);
    childrenOf.computeIfAbsent(Long.parseLong(fields[1]), _ -> new ArrayList<>()).add(pid);
    long ticks = Long.parseLong(fields[11]) + Long.parseLong(fields[12]);
    used.put(pid, ticks * Host.TICK_MS / 1_000.0);
  }

  CpuTime minus(CpuTime earlier) {
    return new CpuTime(own - earlier.own, children - earlier.children);
  }

  CpuTime plus(CpuTime other) {
    return new CpuTime(own + other.own, children + other.children);
  }
}
