package dev.perseid.engine;

import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import org.jspecify.annotations.Nullable;

/// Code of a task that is more than an [Action] or a [Callable] of the user's.
abstract class Code {
  abstract @Nullable Object run(Run run, int id, @Nullable Worker worker) throws Exception;

  /// Runs whatever stands for a task's code.
  static @Nullable Object perform(Object body, Run run, int id, @Nullable Worker worker)
      throws Exception {
    if (body instanceof Code code) {
      return code.run(run, id, worker);
    }
    if (body instanceof Action action) {
      action.run();
      return null;
    }
    return ((Callable<?>) body).call();
  }

  static final class Indexed extends Code {
    private final IndexedAction action;
    private final int first;

    Indexed(IndexedAction action, int first) {
      this.action = action;
      this.first = first;
    }

    @Override
    @Nullable Object run(Run run, int id, @Nullable Worker worker) throws Exception {
      action.run(id - first);
      return null;
    }
  }

  /// A callable that is an action too.
  static final class Called extends Code {
    private final Callable<?> call;

    Called(Callable<?> call) {
      this.call = call;
    }

    @Override
    @Nullable Object run(Run run, int id, @Nullable Worker worker) throws Exception {
      return call.call();
    }
  }

  static final class Mapped extends Code {
    private final int from;
    private final Mapping<@Nullable Object, ?> map;

    Mapped(int from, Mapping<@Nullable Object, ?> map) {
      this.from = from;
      this.map = map;
    }

    @Override
    @Nullable Object run(Run run, int id, @Nullable Worker worker) throws Exception {
      return map.map(run.value(from));
    }
  }

  static final class Joined extends Code {
    private final int first;
    private final int second;
    private final Joining<@Nullable Object, @Nullable Object, ?> join;

    Joined(int first, int second, Joining<@Nullable Object, @Nullable Object, ?> join) {
      this.first = first;
      this.second = second;
      this.join = join;
    }

    @Override
    @Nullable Object run(Run run, int id, @Nullable Worker worker) throws Exception {
      return join.join(run.value(first), run.value(second));
    }
  }

  static final class Gathered extends Code {
    private final int[] from;
    private final Mapping<List<@Nullable Object>, ?> map;

    Gathered(int[] from, Mapping<List<@Nullable Object>, ?> map) {
      this.from = from;
      this.map = map;
    }

    @Override
    @Nullable Object run(Run run, int id, @Nullable Worker worker) throws Exception {
      List<@Nullable Object> values = new ArrayList<>(from.length);
      for (int one : from) {
        values.add(run.value(one));
      }
      return map.map(values);
    }
  }

  static final class Flowing extends Code {
    private final FlowBody<?> body;

    Flowing(FlowBody<?> body) {
      this.body = body;
    }

    @Override
    @Nullable Object run(Run run, int id, @Nullable Worker worker) throws Exception {
      Scope within = Scope.of(run, id);
      if (worker == null) {
        return run(run, id, null, within, run.above);
      }
      worker.enter(within);
      if (within.dead()) {
        worker.interrupt(); // who made it so may have looked a moment before
      }
      try {
        return run(run, id, worker, within, run.above);
      } finally {
        worker.enter(run);
      }
    }

    /// @param above the highest rank of what this task holds, or those that wait for it
    @Nullable Object run(Run run, int id, @Nullable Worker worker, Scope within, int above)
        throws Exception {
      return new Branch<>(run, id, body, above).perform(worker, within);
    }
  }

  /// Takes one of its branches.
  static final class Choice extends Code {
    final int[] branches;
    private final Callable<Integer> which;

    Choice(Callable<Integer> which, int[] branches) {
      this.which = which;
      this.branches = branches;
    }

    @Override
    Object run(Run run, int id, @Nullable Worker worker) throws Exception {
      int chosen = which.call();
      if (chosen < 0 || chosen >= branches.length) {
        throw new IllegalArgumentException(
            "the choice took branch " + chosen + " of " + branches.length + " (from 0)");
      }
      return chosen;
    }

    boolean leaves(int successor, int chosen) {
      boolean branch = false;
      for (int i = 0; i < branches.length; i++) {
        if (branches[i] == successor) {
          if (i == chosen) {
            return false;
          }
          branch = true;
        }
      }
      return branch;
    }
  }

  /// A task that asks for something.
  static final class Special extends Code {
    final Object body;
    final Terms terms;

    Special(Object body, Terms terms) {
      this.body = body;
      this.terms = terms;
    }

    @Override
    @Nullable Object run(Run run, int id, @Nullable Worker worker) throws Exception {
      return perform(body, run, id, worker);
    }
  }
}
