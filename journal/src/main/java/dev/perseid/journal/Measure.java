package dev.perseid.journal;

/// What may be known of an attempt, each a whole number. The names are those of columns and
/// attributes; new ones are appended at the end only.
public enum Measure {
  /// When nothing that it waited for was missing. Times are nanoseconds since the trace's zero.
  READY("ready_ns", Quantity.TIME),
  /// When it was given to whoever ran it.
  ASSIGNED("assigned_ns", Quantity.TIME),
  /// When it began to run.
  START("start_ns", Quantity.TIME),
  /// When it had run.
  END("end_ns", Quantity.TIME),
  /// When its end was written down.
  RECORDED("recorded_ns", Quantity.TIME),
  /// How long it ran by one monotonic clock, where that is not just end minus start.
  WALL("wall_ns", Quantity.DURATION),
  /// Processor time that it used.
  CPU("cpu_ns", Quantity.DURATION),
  /// Time that it was given to run in, at most.
  WALL_ASKED("wall_asked_ns", Quantity.DURATION),
  /// Cores that it was given.
  CORES("cores", Quantity.COUNT),
  /// Memory that was requested for it.
  MEMORY_ASKED("memory_asked_bytes", Quantity.BYTES),
  /// The most memory that it used.
  MEMORY("memory_bytes", Quantity.BYTES),
  /// Gas that it was given.
  GAS_ASKED("gas_asked", Quantity.COUNT),
  /// Gas that it used.
  GAS("gas", Quantity.COUNT),
  /// Bytes that it read.
  BYTES_IN("in_bytes", Quantity.BYTES),
  /// Bytes that it wrote.
  BYTES_OUT("out_bytes", Quantity.BYTES),
  /// Bytes that had to be fetched before it could begin.
  FETCHED("fetched_bytes", Quantity.BYTES),
  /// Bytes that its thread allocated.
  ALLOCATED("allocated_bytes", Quantity.BYTES),
  /// What it cost, microcredits.
  CHARGE("charge_microcredits", Quantity.COUNT),
  /// Energy in microjoules.
  ENERGY("energy_uj", Quantity.COUNT);

  /// What a number counts.
  enum Quantity {
    TIME,
    DURATION,
    BYTES,
    COUNT
  }

  private final String column;
  private final Quantity quantity;

  Measure(String column, Quantity quantity) {
    this.column = column;
    this.quantity = quantity;
  }

  /// Its name in files, with its unit.
  public String column() {
    return column;
  }

  Quantity quantity() {
    return quantity;
  }
}
