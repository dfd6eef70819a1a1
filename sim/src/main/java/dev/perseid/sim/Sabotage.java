package dev.perseid.sim;

import dev.perseid.core.Entry;
import dev.perseid.core.Event;
import dev.perseid.core.Lease;
import java.util.List;

/// Where a test can plant a bug to see whether the auditor notices. The world itself plants none.
interface Sabotage {
  /// No bug.
  Sabotage NONE = new Sabotage() {};

  /// What the log is given in place of what the pool decided.
  default List<Event> written(List<Event> events) {
    return events;
  }

  /// Whether the log calls a batch durable as soon as it is handed in.
  default boolean durableTooEarly(List<Event> events) {
    return false;
  }

  /// What the pool reads back from its log after a restart; each element is one batch.
  default List<byte[]> reread(List<byte[]> log) {
    return log;
  }

  /// Whether the archive keeps an entry that it was given.
  default boolean archives(Entry entry) {
    return true;
  }

  /// How often a provider runs a lease.
  default int runs(Lease lease) {
    return 1;
  }
}
