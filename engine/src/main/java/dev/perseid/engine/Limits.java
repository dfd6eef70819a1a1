package dev.perseid.engine;

/// Every limit of the engine.
final class Limits {
  /// Workers of one engine.
  static final int WORKERS = 1_024;

  /// Runs of one engine at the same time.
  static final int RUNS = 1 << 20;

  /// Tasks of one graph.
  static final int TASKS = 1 << 29;

  /// Edges of one graph.
  static final int EDGES = 1 << 30;

  /// Tasks of a range that a worker puts before itself at once; others can steal them one by one.
  static final int RANGE = 256;

  /// Records that a thread's ring holds until they are drained, unless the user says otherwise.
  static final int RING_RECORDS = 1 << 14;

  /// Records in one block of the file.
  static final int BLOCK_RECORDS = 4_096;

  /// Tasks of a graph in one frame of the file.
  static final int GRAPH_TASKS = 16_384;

  /// Bytes of one frame of the file that a reader accepts.
  static final int FRAME_BYTES = 1 << 26;

  /// Bytes that are gathered before they are written.
  static final int WRITE_BYTES = 1 << 18;

  /// Characters of a name.
  static final int NAME_CHARS = 1_000;

  /// Names that are looked up again by the engine; those beyond are written again.
  static final int NAMES = 1 << 16;

  /// How long the drain rests when nothing comes, at most.
  static final long DRAIN_REST_NS = 1_000_000;

  /// How long a thread waits for room in its ring before it looks again.
  static final long ROOM_REST_NS = 20_000;

  /// Rounds over all deques that find nothing before a worker rests.
  static final int ROUNDS = 64;

  /// After so many tasks of its own a worker looks at what came from outside.
  static final int OUTSIDE_EVERY = 61;

  /// Tasks nested in a worker by waiting for others, after which it steals no more.
  static final int NESTED = 256;

  /// A task after one that took so long is measured: CPU time and allocated bytes.
  static final long MEASURED_FROM_NS = 20_000;

  /// How often later tasks pass one that does not fit yet.
  static final int PASSED = 64;

  /// Tasks of different needs that are looked at when something was given back, the first ones.
  static final int LOOKED_AT = 256;

  /// How often the wait between attempts doubles.
  static final int DOUBLINGS = 20;

  /// Scoped values that travel.
  static final int CARRIED = 64;

  /// Causes of an exception that are looked through for an interrupt.
  static final int CAUSES = 16;

  /// Blocking tasks at the same time, unless the user says otherwise.
  static final int BLOCKING = 10_000;

  /// Steps of a failure's path that are kept, the nearest ones.
  static final int PATH = 100;

  /// Failures of one run that are kept; all are counted.
  static final int FAILURES = 100;

  /// Bytes of a worker's stack: waiting for a task runs others on top of it.
  static final long STACK_BYTES = 16L << 20;

  private Limits() {}
}
