package dev.perseid.sim;

import dev.perseid.core.Command;
import dev.perseid.node.PoolLoop;
import java.util.function.Consumer;

/// Requests to the pool on which somebody insists until they are answered.
final class Petitions {
  private static final long PATIENCE_US = 5_000_000;

  /// Answers whether the matter is closed.
  interface Judge {
    boolean closed(PoolLoop.Reply reply);
  }

  private final Agenda agenda;
  private final Dice dice;
  private final PoolHost pool;
  private int unanswered;

  Petitions(Agenda agenda, Dice dice, PoolHost pool) {
    this.agenda = agenda;
    this.dice = dice;
    this.pool = pool;
  }

  /// How many wait for an answer.
  int unanswered() {
    return unanswered;
  }

  /// Sends a command again and again until one answer closes the matter.
  ///
  /// @param number stands beside it in the diary
  void insist(String what, long number, Command command, Judge judge) {
    unanswered++;
    boolean[] closed = new boolean[1];
    attempt(what, number, command, judge, closed);
  }

  private void attempt(String what, long number, Command command, Judge judge, boolean[] closed) {
    if (closed[0]) {
      return;
    }
    Consumer<PoolLoop.Reply> done =
        reply -> {
          if (!closed[0] && judge.closed(reply)) {
            closed[0] = true;
            unanswered--;
          }
        };
    agenda.after(dice.between(1, 50_000), what, number, () -> pool.submit(command, done));
    agenda.after(
        PATIENCE_US + dice.between(0, PATIENCE_US),
        "customer is impatient",
        number,
        () -> attempt(what, number, command, judge, closed));
  }
}
