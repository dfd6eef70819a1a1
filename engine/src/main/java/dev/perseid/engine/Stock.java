package dev.perseid.engine;

import java.util.ArrayList;
import java.util.Collections;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import org.jspecify.annotations.Nullable;

/// What the engine has of cores and named resources: what there is, what is free, and who waits. A
/// task gets all that it needs at once. A later task may pass an earlier one that does not fit yet,
/// but not more often than [Limits#PASSED].
///
/// Nobody waits for ever for somebody who waits. A task that holds something and waits for what it
/// started (only one on a virtual thread can) lets its tasks need only what is ranked higher: a
/// hierarchy of resources (Dijkstra, "Hierarchical ordering of sequential processes", 1971). What
/// it waits for comes before all others, those first that wait below the highest rank: they lack
/// only what is held by tasks that wait for nothing.
final class Stock {
  /// The rank of what is held where nothing is.
  static final int NOTHING = -1;

  /// What runs apart is taken newest first, as a worker takes its own: a tree of forks is then gone
  /// through depth first, and little of it waits at a time.
  private static final Comparator<Attempt> ORDER =
      Comparator.comparingInt((Attempt a) -> -a.above)
          .thenComparing(Lane.URGENCY)
          .thenComparingLong(a -> a.apart ? -a.sequence : a.sequence);

  /// Those who wait for the same, in their order; the first of them stands for all.
  private static final class Queue {
    final Map<String, Long> needs;
    final TreeSet<Attempt> waiting = new TreeSet<>(ORDER);

    /// How often later ones, which needed something of this too, passed whoever was the first.
    long passed;

    Queue(Map<String, Long> needs) {
      this.needs = needs;
    }
  }

  private final Map<String, Long> capacity;
  private final List<String> ranked;
  private final Map<String, Long> free;
  private final Map<Map<String, Long>, Queue> queues = new HashMap<>(); // none is empty
  private final TreeSet<Queue> heads =
      new TreeSet<>(Comparator.comparing((Queue q) -> q.waiting.first(), ORDER));

  /// @param capacity what there is; the places of tasks on virtual threads have no rank, as one
  ///   that waits lends its place
  /// @param ranked names, the lowest first
  Stock(Map<String, Long> capacity, List<String> ranked) {
    this.capacity = Map.copyOf(capacity);
    this.ranked = List.copyOf(ranked);
    this.free = new HashMap<>(capacity);
  }

  /// The highest rank of what is needed or held already.
  int above(Map<String, Long> needs, int held) {
    int highest = held;
    for (String name : needs.keySet()) {
      highest = Math.max(highest, ranked.indexOf(name));
    }
    return highest;
  }

  /// Refuses what can never be had, and what two tasks could wait for for ever.
  ///
  /// @param above the highest rank of what those hold who wait for this task
  void check(String task, Map<String, Long> needs, int above) {
    for (Map.Entry<String, Long> need : needs.entrySet()) {
      String name = need.getKey();
      long there = capacity.getOrDefault(name, 0L);
      int rank = ranked.indexOf(name);
      if (rank != NOTHING && rank <= above) {
        String highest = ranked.get(above);
        throw new IllegalArgumentException(
            "task '"
                + task
                + "' needs '"
                + name
                + "' while one that waits for it holds '"
                + highest
                + "': two such tasks could wait for each other for ever; "
                + (rank == above
                    ? "let the one that waits take all of it, or none"
                    : "name '" + name + "' after '" + highest + "' in EngineConfig"));
      }
      if (need.getValue() > there) {
        throw new IllegalArgumentException(
            "task '"
                + task
                + "' needs "
                + need.getValue()
                + " of '"
                + name
                + "', of which the engine has "
                + there
                + ": say more with EngineConfig."
                + (name.equals(Terms.CORES)
                    ? "workers"
                    : name.equals(Attempt.BLOCKING) ? "blocking" : "resource"));
      }
    }
  }

  /// Takes what an attempt needs, or lets it wait.
  ///
  /// @return who may start now; the attempt is among them if it has what it needs, or if it is to
  ///   end without running and needs nothing
  synchronized List<Attempt> take(Attempt attempt) {
    if (attempt.dead()) {
      return List.of(attempt);
    }
    if (heads.isEmpty() && fits(attempt, Set.of())) {
      hold(attempt);
      return List.of(attempt);
    }
    Queue queue = queues.computeIfAbsent(attempt.needs, Queue::new);
    if (!queue.waiting.isEmpty()) {
      heads.remove(queue); // its first may become another one
    }
    attempt.passedBefore = queue.passed;
    queue.waiting.add(attempt);
    heads.add(queue);
    return admit();
  }

  /// Gives back; returns who may start now.
  synchronized List<Attempt> giveBack(Attempt attempt) {
    change(attempt, 1);
    attempt.held = false;
    return admit();
  }

  /// Takes out one that waits, for the one that waits for it to run it; whether it waited.
  synchronized boolean withdraw(Attempt attempt) {
    Queue queue = queues.get(attempt.needs);
    if (queue == null || !queue.waiting.contains(attempt)) {
      return false;
    }
    heads.remove(queue);
    queue.waiting.remove(attempt);
    keep(queue);
    return true;
  }

  /// A task on a virtual thread waits for what it started: others may have its place meanwhile.
  /// Returns who may start now.
  synchronized List<Attempt> lendPlace(String kind) {
    free.merge(kind, 1L, Long::sum);
    return admit();
  }

  /// It goes on, at once, also if there is no place left: else it might wait for those who wait for
  /// it.
  synchronized void takePlaceBack(String kind) {
    free.merge(kind, -1L, Long::sum);
  }

  /// Takes out those who are to end without running; returns them, and who may start now.
  synchronized List<Attempt> sweep() {
    List<Attempt> now = new ArrayList<>();
    for (Queue queue : List.copyOf(heads)) {
      heads.remove(queue);
      queue.waiting.removeIf(one -> one.dead() && now.add(one));
      keep(queue);
    }
    now.addAll(admit());
    return now;
  }

  private void keep(Queue queue) {
    if (queue.waiting.isEmpty()) {
      queues.remove(queue.needs);
    } else {
      heads.add(queue);
    }
  }

  private List<Attempt> admit() {
    List<Attempt> now = new ArrayList<>();
    for (Queue next = next(); next != null; next = next()) {
      heads.remove(next);
      Attempt one = next.waiting.removeFirst();
      keep(next);
      hold(one);
      now.add(one);
    }
    return now;
  }

  /// Whose first may start; those before it are passed.
  private @Nullable Queue next() {
    Set<String> kept = new HashSet<>();
    List<Queue> before = new ArrayList<>();
    for (Queue queue : heads) {
      Attempt one = queue.waiting.first();
      if (fits(one, kept)) {
        for (Queue passed : before) {
          if (!Collections.disjoint(passed.needs.keySet(), one.needs.keySet())) {
            passed.passed++;
          }
        }
        return queue;
      }
      if (queue.passed - one.passedBefore >= Limits.PASSED) {
        kept.addAll(one.needs.keySet());
      }
      before.add(queue);
      if (before.size() == Limits.LOOKED_AT) {
        return null;
      }
    }
    return null;
  }

  private boolean fits(Attempt attempt, Set<String> kept) {
    for (Map.Entry<String, Long> need : attempt.needs.entrySet()) {
      if (kept.contains(need.getKey()) || free.getOrDefault(need.getKey(), 0L) < need.getValue()) {
        return false;
      }
    }
    return true;
  }

  private void hold(Attempt attempt) {
    change(attempt, -1);
    attempt.held = true;
  }

  private void change(Attempt attempt, int sign) {
    for (Map.Entry<String, Long> need : attempt.needs.entrySet()) {
      free.merge(need.getKey(), sign * need.getValue(), Long::sum);
    }
  }
}
