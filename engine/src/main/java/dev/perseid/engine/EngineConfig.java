package dev.perseid.engine;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Optional;
import java.util.SequencedMap;

/// How an engine is set up. Unchangeable; each method returns a configuration with one thing
/// changed.
///
/// @param workers threads that compute
/// @param resources amounts of named things that tasks may need, e.g. `gpu`, in their order: what a
///   task that holds one of them starts and waits for may need only those that are named later
/// @param records the file of records, made anew; empty: no records
/// @param memoryBytes that records may take in memory, where no file is named; 0: none are kept
/// @param lossless whether a task waits when its record finds no room; else records are dropped and
///   counted
/// @param ringRecords records that each thread can be ahead of the file
/// @param measured whether CPU time and allocated bytes are measured of tasks that follow one of at
///   least 20 microseconds on their thread
/// @param keepGoing whether a run goes on when a task fails, without what depends on it
/// @param blocking tasks that asked for a virtual thread and run at the same time; those that wait
///   for what they started do not count, and all go on at once when that has ended
/// @param carried scoped values that travel to tasks
public record EngineConfig(
    int workers,
    SequencedMap<String, Long> resources,
    Optional<Path> records,
    long memoryBytes,
    boolean lossless,
    int ringRecords,
    boolean measured,
    boolean keepGoing,
    int blocking,
    List<ScopedValue<?>> carried) {
  /// @throws IllegalArgumentException if a number is out of its range
  public EngineConfig {
    if (workers < 1 || workers > Limits.WORKERS) {
      throw new IllegalArgumentException("an engine has 1 to " + Limits.WORKERS + " workers");
    }
    if (ringRecords < 16 || ringRecords > 1 << 24) {
      throw new IllegalArgumentException("a ring has 16 to " + (1 << 24) + " records");
    }
    if (memoryBytes < 0) {
      throw new IllegalArgumentException("records take at least 0 bytes, not " + memoryBytes);
    }
    if (blocking < 1) {
      throw new IllegalArgumentException("an engine has room for at least 1 blocking task");
    }
    if (resources.containsKey(Terms.CORES)) {
      throw new IllegalArgumentException(
          "an engine's cores are its workers: say EngineConfig.workers");
    }
    if (carried.size() > Limits.CARRIED) {
      throw new IllegalArgumentException("at most " + Limits.CARRIED + " scoped values travel");
    }
    resources = Collections.unmodifiableSequencedMap(new LinkedHashMap<>(resources));
    carried = List.copyOf(carried);
  }

  /// A worker for each core; nothing recorded until [#records] names a file or [#recordsInMemory]
  /// gives them room.
  public static EngineConfig usual() {
    return new EngineConfig(
        Math.min(Limits.WORKERS, Runtime.getRuntime().availableProcessors()),
        new LinkedHashMap<>(),
        Optional.empty(),
        0,
        true,
        Limits.RING_RECORDS,
        true,
        false,
        Limits.BLOCKING,
        List.of());
  }

  /// With a number of workers.
  public EngineConfig workers(int count) {
    return new EngineConfig(
        count,
        resources,
        records,
        memoryBytes,
        lossless,
        ringRecords,
        measured,
        keepGoing,
        blocking,
        carried);
  }

  /// With a named resource, after those that were named before ([#resources]).
  public EngineConfig resource(String name, long amount) {
    SequencedMap<String, Long> more = new LinkedHashMap<>(resources);
    more.put(name, amount);
    return new EngineConfig(
        workers,
        more,
        records,
        memoryBytes,
        lossless,
        ringRecords,
        measured,
        keepGoing,
        blocking,
        carried);
  }

  /// With an amount of memory in bytes for tasks that say how much they need ([Terms#memory]).
  public EngineConfig memory(long bytes) {
    return resource(Terms.MEMORY, bytes);
  }

  /// With a file of records.
  public EngineConfig records(Path file) {
    return new EngineConfig(
        workers,
        resources,
        Optional.of(file),
        0,
        lossless,
        ringRecords,
        measured,
        keepGoing,
        blocking,
        carried);
  }

  /// With records in memory instead of in a file, as the file would have them: about 7 to 12 bytes
  /// a small task. When they take more than `most` bytes, runs fail; so it is for tests and for
  /// engines that do not live long.
  public EngineConfig recordsInMemory(long most) {
    return new EngineConfig(
        workers,
        resources,
        Optional.empty(),
        most,
        lossless,
        ringRecords,
        measured,
        keepGoing,
        blocking,
        carried);
  }

  /// Drops and counts records for which there is no room, instead of letting tasks wait.
  public EngineConfig countingLoss() {
    return new EngineConfig(
        workers,
        resources,
        records,
        memoryBytes,
        false,
        ringRecords,
        measured,
        keepGoing,
        blocking,
        carried);
  }

  /// With room for so many records of each thread before they are written.
  public EngineConfig ring(int count) {
    return new EngineConfig(
        workers,
        resources,
        records,
        memoryBytes,
        lossless,
        count,
        measured,
        keepGoing,
        blocking,
        carried);
  }

  /// With or without CPU time and allocated bytes.
  public EngineConfig measure(boolean value) {
    return new EngineConfig(
        workers,
        resources,
        records,
        memoryBytes,
        lossless,
        ringRecords,
        value,
        keepGoing,
        blocking,
        carried);
  }

  /// Runs what it can when a task has failed, instead of stopping the run.
  public EngineConfig goingOn() {
    return new EngineConfig(
        workers,
        resources,
        records,
        memoryBytes,
        lossless,
        ringRecords,
        measured,
        true,
        blocking,
        carried);
  }

  /// With room for so many tasks on virtual threads.
  public EngineConfig blocking(int count) {
    return new EngineConfig(
        workers,
        resources,
        records,
        memoryBytes,
        lossless,
        ringRecords,
        measured,
        keepGoing,
        count,
        carried);
  }

  /// With scoped values that travel: a task sees what was bound where its run was started, or where
  /// it was forked. What was not bound there is bound to null, so that no task sees another's.
  public EngineConfig carrying(ScopedValue<?>... keys) {
    List<ScopedValue<?>> more = new ArrayList<>(carried);
    more.addAll(List.of(keys));
    return new EngineConfig(
        workers,
        resources,
        records,
        memoryBytes,
        lossless,
        ringRecords,
        measured,
        keepGoing,
        blocking,
        more);
  }
}
