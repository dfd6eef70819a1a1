package dev.perseid.core;

import java.util.Comparator;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// The tasks of one job that need the same of a machine, and which of them are ready.
final class Group {
  final Job job;
  final Shape shape;

  /// Tasks never tried, by their rank in the group.
  private LowestFirst fresh;

  /// The task of each rank; empty where rank and task are the same.
  private int[] members;

  /// Tasks that some provider must not get, by index.
  final TreeSet<Integer> again = new TreeSet<>();

  /// Whether it stands in the pool's lines.
  boolean listed;

  /// What a task needs of a machine.
  ///
  /// @param platform where a native task runs; null for portable ones
  record Shape(int cores, long memoryBytes, @Nullable Platform platform, Gpus gpus)
      implements Comparable<Shape> {
    private static final Comparator<@Nullable Platform> PORTABLE_FIRST =
        Comparator.nullsFirst(Comparator.naturalOrder());

    static Shape of(TaskKind kind) {
      return new Shape(
          kind.cores(),
          kind.memoryBytes(),
          kind.form() instanceof Form.Native n ? n.platform() : null,
          kind.gpus());
    }

    @Override
    public int compareTo(Shape o) {
      int x = Integer.compare(cores, o.cores);
      x = x != 0 ? x : Long.compare(memoryBytes, o.memoryBytes);
      x = x != 0 ? x : PORTABLE_FIRST.compare(platform, o.platform);
      x = x != 0 ? x : Integer.compare(gpus.count(), o.gpus.count());
      return x != 0 ? x : Long.compare(gpus.memoryBytes(), o.gpus.memoryBytes());
    }
  }

  Group(Job job, Shape shape, int[] members, int size) {
    this.job = job;
    this.shape = shape;
    this.members = members;
    this.fresh = new LowestFirst(size);
  }

  /// Other ranks; no task is fresh then.
  void rank(int[] ofEachRank) {
    members = ofEachRank;
    fresh = new LowestFirst(ofEachRank.length);
  }

  boolean isEmpty() {
    return fresh.isEmpty() && again.isEmpty();
  }

  boolean hasFresh() {
    return !fresh.isEmpty();
  }

  /// The fresh task of the lowest rank.
  int firstFresh() {
    return member(fresh.first());
  }

  /// The rank of the first fresh task, and of the one after another; -1 if there is none.
  int firstRank() {
    return fresh.isEmpty() ? -1 : fresh.first();
  }

  int rankAfter(int rank) {
    return fresh.next(rank);
  }

  /// The task of a rank.
  int member(int rank) {
    return members.length == 0 ? rank : members[rank];
  }

  void addFresh(int rank) {
    fresh.add(rank);
  }

  void removeFresh(int rank) {
    fresh.remove(rank);
  }

  /// The ready task that is served next if all providers are free; the group must not be empty.
  int first() {
    return again.isEmpty() ? firstFresh() : again.first();
  }
}
