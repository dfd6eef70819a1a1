package dev.perseid.core;

import java.util.Comparator;
import java.util.TreeSet;

/// Where a consumer stands in one line with what it has of one priority: the groups of its jobs, in
/// the order in which they must be done, then in which they were accepted. That order is within the
/// consumer, so that neither a deadline nor dividing a job into many gives anybody more.
final class Place {
  /// Who is served first: the higher priority; of equals the consumer that has least of the pool
  /// now (max-min fairness; Bertsekas, Gallager 1992); of equals the one whose last turn is longest
  /// ago.
  static final Comparator<Place> ORDER =
      Comparator.<Place>comparingInt(p -> -p.priority)
          .thenComparingLong(p -> p.shareNs)
          .thenComparingLong(p -> p.turn)
          .thenComparing(p -> p.consumer.address);

  final Consumer consumer;
  final int priority;
  final TreeSet<Group> groups = new TreeSet<>(Comparator.comparing(g -> g.job, Job.DUE_FIRST));

  /// The consumer's share and turn when this was put where it stands.
  long shareNs;

  long turn;

  Place(Consumer consumer, int priority) {
    this.consumer = consumer;
    this.priority = priority;
    settle();
  }

  /// Takes share and turn from the consumer; it must not stand in a line meanwhile.
  void settle() {
    shareNs = consumer.shareNs();
    turn = consumer.turn;
  }

  /// Whether the consumer has had less, or its turn longer ago, than another with the same
  /// priority.
  boolean isDueBefore(Place other) {
    Consumer mine = consumer;
    Consumer theirs = other.consumer;
    return mine != theirs
        && priority == other.priority
        && (mine.shareNs() != theirs.shareNs()
            ? mine.shareNs() < theirs.shareNs()
            : mine.turn < theirs.turn);
  }
}
