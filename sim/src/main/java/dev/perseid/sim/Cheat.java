package dev.perseid.sim;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import java.util.ArrayList;
import java.util.List;

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

  private final long habit;
  private final int perMyriad;

  Cheat(Dice dice) {
    habit = dice.next();
    perMyriad = 500 + dice.below(6_000);
  }

  Word word(Lease lease) {
    Dice dice = new Dice(Dice.mix(habit ^ Dice.mix(lease.job().a() + lease.task())));
    if (!dice.chance(perMyriad)) {
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
