package dev.perseid.sim;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;

/// A provider that keeps to the protocol and gives wrong results: plausible ones, which nobody sees
/// through who does not run the task again. Whether it lies about a task follows from the task, so
/// that it does not give itself away by its own retries. No two cheats tell the same lie.
final class Cheat {
  /// What it says of a task.
  enum Word {
    /// The truth.
    TRUE,
    /// Outputs that the task does not give.
    WRONG,
    /// That it failed by itself.
    FAILED
  }

  /// When it lies.
  private enum Kind {
    /// Now and then.
    HABITUAL,
    /// Likewise, once it has run some tasks rightly.
    SLEEPER,
    /// Only where it is the first to run a task, so that it never contradicts anybody.
    FIRST
  }

  private static final int LONGEST_SLEEP = 30;

  private final long habit;
  private final int perMyriad;
  private final Kind kind;
  private final int sleep;

  /// The tasks that it has seen, each with how many came before.
  private final Map<Long, Integer> seen = new TreeMap<>();

  Cheat(Dice dice) {
    habit = dice.next();
    perMyriad = 500 + dice.below(6_000);
    kind = Kind.values()[dice.below(Kind.values().length)];
    sleep = 1 + dice.below(LONGEST_SLEEP);
  }

  Word word(Lease lease) {
    long task = Dice.mix(lease.job().a() + lease.task());
    int before = seen.computeIfAbsent(task, _ -> seen.size());
    boolean honest =
        switch (kind) {
          case HABITUAL -> false;
          case SLEEPER -> before < sleep;
          case FIRST -> lease.attempt() > 1;
        };
    Dice dice = new Dice(Dice.mix(habit ^ task));
    if (honest || !dice.chance(perMyriad)) {
      return Word.TRUE;
    }
    return lease.outputs() == 0 || dice.chance(2_000) ? Word.FAILED : Word.WRONG;
  }

  /// Outputs of the right number, of which the first is wrong.
  List<Blob> outputs(Lease lease) {
    List<Blob> outputs = new ArrayList<>(Work.outputs(lease));
    Hash lie = new Hash(habit, Dice.mix(habit + lease.task()), lease.job().a(), 1);
    outputs.set(0, new Blob(lie, 1 + (habit & 1_023)));
    return outputs;
  }
}
