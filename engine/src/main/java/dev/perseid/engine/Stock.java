package dev.perseid.engine;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/// The engine's named resources: what there is, what is free, and who waits. A task gets all that
/// it needs at once, so none holds one thing while it waits for another. A later task may pass an
/// earlier one that does not fit yet, but not more often than [#PASSED].
final class Stock {
  private static final int PASSED = 64;

  private final Map<String, Long> capacity;
  private final Map<String, Long> free;
  private final TreeSet<Attempt> waiting = new TreeSet<>(Lane.ORDER);

  Stock(Map<String, Long> capacity) {
    this.capacity = Map.copyOf(capacity);
    this.free = new HashMap<>(capacity);
  }

  /// Refuses what can never be had.
  void check(String task, Map<String, Long> needs) {
    for (Map.Entry<String, Long> need : needs.entrySet()) {
      long there = capacity.getOrDefault(need.getKey(), 0L);
      if (need.getValue() > there) {
        throw new IllegalArgumentException(
            "task '"
                + task
                + "' needs "
                + need.getValue()
                + " of '"
                + need.getKey()
                + "', of which the engine has "
                + there
                + ": say more with EngineConfig.resource");
      }
    }
  }

  /// Takes what an attempt needs, or lets it wait; whether it was taken.
  synchronized boolean take(Attempt attempt) {
    if (waiting.isEmpty() && fits(attempt, Set.of())) {
      change(attempt, -1);
      return true;
    }
    waiting.add(attempt);
    return false;
  }

  /// Gives back; returns who may start now.
  synchronized List<Attempt> giveBack(Attempt attempt) {
    change(attempt, 1);
    return admit();
  }

  /// Who may start now of those who wait.
  synchronized List<Attempt> admit() {
    List<Attempt> now = new ArrayList<>();
    Set<String> reserved = new HashSet<>();
    for (Iterator<Attempt> all = waiting.iterator(); all.hasNext(); ) {
      Attempt one = all.next();
      if (fits(one, reserved)) {
        change(one, -1);
        all.remove();
        now.add(one);
      } else if (++one.passed > PASSED) {
        reserved.addAll(one.needs.keySet());
      }
    }
    return now;
  }

  private boolean fits(Attempt attempt, Set<String> reserved) {
    for (Map.Entry<String, Long> need : attempt.needs.entrySet()) {
      if (reserved.contains(need.getKey())
          || free.getOrDefault(need.getKey(), 0L) < need.getValue()) {
        return false;
      }
    }
    return true;
  }

  private void change(Attempt attempt, int sign) {
    for (Map.Entry<String, Long> need : attempt.needs.entrySet()) {
      free.merge(need.getKey(), sign * need.getValue(), Long::sum);
    }
  }
}
