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
/// task gets all that it needs at once, so none holds one thing while it waits for another. A later
/// task may pass an earlier one that does not fit yet, but not more often than [Limits#PASSED].
final class Stock {
  /// Those who wait for the same, in their order; the first of them stands for all.
  private static final class Queue {
    final Map<String, Long> needs;
    final TreeSet<Attempt> waiting = new TreeSet<>(Lane.ORDER);

    /// How often later ones, which needed something of this too, passed whoever was the first.
    long passed;

    Queue(Map<String, Long> needs) {
      this.needs = needs;
    }
  }

  private final Map<String, Long> capacity;
  private final Map<String, Long> free;
  private final Map<Map<String, Long>, Queue> queues = new HashMap<>(); // none is empty
  private final TreeSet<Queue> heads =
      new TreeSet<>(Comparator.comparing((Queue q) -> q.waiting.first(), Lane.ORDER));

  Stock(Map<String, Long> capacity) {
    this.capacity = Map.copyOf(capacity);
    this.free = new HashMap<>(capacity);
  }

  /// Refuses what can never be had.
  ///
  /// @param held by those who wait for this task
  void check(String task, Map<String, Long> needs, Map<String, Long> held) {
    for (Map.Entry<String, Long> need : needs.entrySet()) {
      String name = need.getKey();
      long there = capacity.getOrDefault(name, 0L);
      long gone = held.getOrDefault(name, 0L);
      if (need.getValue() > there - gone) {
        throw new IllegalArgumentException(
            "task '"
                + task
                + "' needs "
                + need.getValue()
                + " of '"
                + name
                + "', of which the engine has "
                + there
                + (gone > 0 ? ", and what waits for it holds " + gone : "")
                + ": say more with EngineConfig."
                + (name.equals(Terms.CORES)
                    ? "workers"
                    : name.equals(Attempt.BLOCKING) ? "blocking" : "resource"));
      }
    }
  }

  /// Two amounts together.
  static Map<String, Long> sum(Map<String, Long> one, Map<String, Long> other) {
    if (one.isEmpty() || other.isEmpty()) {
      return one.isEmpty() ? other : one;
    }
    Map<String, Long> both = new HashMap<>(one);
    other.forEach((name, amount) -> both.merge(name, amount, Long::sum));
    return both;
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
