package dev.perseid.sandbox;

import java.nio.file.Path;
import java.util.Optional;

/// How a sandbox is set up.
///
/// @param directory private scratch folder; created, emptied when the sandbox opens, must not be
///   shared
/// @param slots tasks that run at once in one child, 1 to 256
/// @param maxChildren child processes at once, each for one consumer, at least 1
/// @param memoryBytes the largest memory limit of one task; the child's heap is sized from it
/// @param javaHome the JDK or JRE that runs the children
/// @param aotCache folder for the start-up cache of the children, made once; empty: none
/// @param demand what to do when isolation does not work here
public record SandboxConfig(
    Path directory,
    int slots,
    int maxChildren,
    long memoryBytes,
    Path javaHome,
    Optional<Path> aotCache,
    Demand demand) {

  /// Whether tasks may run without isolation.
  public enum Demand {
    /// Without tested isolation no task runs.
    REQUIRED,
    /// Use it where it works; [Sandbox#isolation] says whether it does.
    PREFERRED
  }

  public SandboxConfig {
    directory = directory.toAbsolutePath().normalize();
    javaHome = javaHome.toAbsolutePath().normalize();
    if (slots < 1 || slots > 256 || maxChildren < 1 || memoryBytes < Limits.PAGE_BYTES) {
      throw new IllegalArgumentException(
          "slots must be 1 to 256, maxChildren at least 1, memoryBytes at least 65536: "
              + slots
              + ", "
              + maxChildren
              + ", "
              + memoryBytes);
    }
  }

  /// This JVM's own Java, one slot for each processor, four children, 256 MiB a task, isolation
  /// preferred.
  public static SandboxConfig in(Path directory) {
    return new SandboxConfig(
        directory,
        Math.max(1, Math.min(256, Runtime.getRuntime().availableProcessors())),
        4,
        256L << 20,
        Path.of(System.getProperty("java.home")),
        Optional.empty(),
        Demand.PREFERRED);
  }

  public SandboxConfig withSlots(int n) {
    return new SandboxConfig(directory, n, maxChildren, memoryBytes, javaHome, aotCache, demand);
  }

  public SandboxConfig withMaxChildren(int n) {
    return new SandboxConfig(directory, slots, n, memoryBytes, javaHome, aotCache, demand);
  }

  public SandboxConfig withMemoryBytes(long bytes) {
    return new SandboxConfig(directory, slots, maxChildren, bytes, javaHome, aotCache, demand);
  }

  public SandboxConfig withAotCache(Path folder) {
    return new SandboxConfig(
        directory,
        slots,
        maxChildren,
        memoryBytes,
        javaHome,
        Optional.of(folder.toAbsolutePath()),
        demand);
  }

  public SandboxConfig withDemand(Demand wanted) {
    return new SandboxConfig(
        directory, slots, maxChildren, memoryBytes, javaHome, aotCache, wanted);
  }
}
