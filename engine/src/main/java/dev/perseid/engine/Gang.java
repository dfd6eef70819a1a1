package dev.perseid.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.locks.LockSupport;

/// The workers that a task has which needs several. They sit until it has ended; whoever comes last
/// runs it.
final class Gang {
  final Attempt attempt;
  private final List<Worker> seated = new ArrayList<>(); // guarded by Gangs
  private volatile boolean over;

  Gang(Attempt attempt) {
    this.attempt = attempt;
  }

  /// A worker's place. It is in no queue: who finds it takes it.
  record Seat(Gang gang, boolean last) implements Work {
    @Override
    public void execute(Worker worker) {
      worker.sit(gang, last);
    }
  }

  /// Takes the next place.
  Seat seat(Worker worker) {
    seated.add(worker);
    return new Seat(this, seated.size() == attempt.seats);
  }

  boolean isOver() {
    return over;
  }

  /// Lets them go.
  void end() {
    over = true;
    for (Worker worker : seated) {
      LockSupport.unpark(worker);
    }
  }
}
