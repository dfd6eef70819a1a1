package dev.perseid.core;

/// What the tasks of one kind share: the code, its limits and its needs. Run times are learned per
/// kind.
///
/// @param name 1 to 64 characters of `[A-Za-z0-9._-]`; unique in its job
/// @param module the portable module, or the native program
/// @param gasLimit gas after which an attempt is stopped, at least 1; 0 of native tasks, which are
///   not metered
/// @param memoryBytes cap of memory, also what the task reserves on the provider
/// @param outputBytesLimit cap of all outputs of one attempt together
/// @param wallLimitMs wall time after which an attempt is stopped
/// @param cores cores the task reserves
/// @param maxAttempts how often a task may be tried, provider faults included
/// @param form what the code is
public record TaskKind(
    String name,
    Blob module,
    long gasLimit,
    long memoryBytes,
    long outputBytesLimit,
    long wallLimitMs,
    int cores,
    int maxAttempts,
    Form form) {
  private static final long NS_PER_MS = 1_000_000;

  /// Portable tasks.
  public TaskKind(
      String name,
      Blob module,
      long gasLimit,
      long memoryBytes,
      long outputBytesLimit,
      long wallLimitMs,
      int cores,
      int maxAttempts) {
    this(
        name,
        module,
        gasLimit,
        memoryBytes,
        outputBytesLimit,
        wallLimitMs,
        cores,
        maxAttempts,
        new Form.Portable());
  }

  /// Whether its tasks are programs for the machine itself.
  public boolean isNative() {
    return form instanceof Form.Native;
  }

  /// Which GPUs its tasks reserve.
  public Gpus gpus() {
    return form instanceof Form.Native n ? n.gpus() : Gpus.NONE;
  }

  /// When results of its tasks are alike.
  Comparison comparison() {
    return form instanceof Form.Native n ? n.comparison() : new Comparison.Exact();
  }

  /// What is paid as gas: what was used, or of a native task a unit for each nanosecond and core
  /// that it held.
  long work(long gas, long wallNs) {
    return isNative() ? Price.scaled(wallNs, cores, 1) : gas;
  }

  /// The most that an attempt can use of what is paid as gas.
  long mostWork() {
    return work(gasLimit, wallLimitMs * NS_PER_MS);
  }

  /// The same with no more gas, or time if it is native, than so much pays for.
  ///
  /// @param microcredits what there is
  TaskKind within(Price price, long microcredits) {
    long gas = gasLimit;
    long wallMs = wallLimitMs;
    if (isNative()) {
      long ns = price.wallNsFor(microcredits, cores, gpus().count());
      wallMs = Math.clamp(ns / NS_PER_MS, 1, wallLimitMs);
    } else {
      gas = Math.clamp(price.gasFor(microcredits), 1, gasLimit);
    }
    if (gas == gasLimit && wallMs == wallLimitMs) {
      return this;
    }
    return new TaskKind(
        name, module, gas, memoryBytes, outputBytesLimit, wallMs, cores, maxAttempts, form);
  }
}
