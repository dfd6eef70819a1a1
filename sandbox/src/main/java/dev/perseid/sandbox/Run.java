package dev.perseid.sandbox;

import java.util.List;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;

/// A task on its way through the sandbox. Mutable parts are guarded by the sandbox's lock.
final class Run {
  final long key;
  final Portable task;

  /// What to tell of it ([Tracer]); empty for most.
  final byte[] trace;

  final CompletableFuture<Execution> future = new CompletableFuture<>();

  /// When the child was first seen to have a slot for it; 0 before.
  long startedNs;

  /// When it was asked to stop; 0 when not.
  long cancelledNs;

  /// How often a child was killed under it for another task's sake.
  int disturbed;

  Run(long key, Portable task, byte[] trace) {
    this.key = key;
    this.trace = trace;
    this.task = task;
  }

  long bytesIn() {
    long n = task.args().length;
    for (Input i : task.inputs()) {
      n += i.size();
    }
    return n;
  }

  Execution failed(Verdict.Kind kind, String message) {
    Usage nothing =
        new Usage(
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            OptionalLong.empty(),
            kind == Verdict.Kind.NOT_STARTED ? 0 : bytesIn(),
            0);
    return new Execution(task.runId(), new Verdict.Failed(kind, message), List.of(), nothing, "");
  }
}
