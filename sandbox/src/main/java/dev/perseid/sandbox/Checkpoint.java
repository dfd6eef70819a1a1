package dev.perseid.sandbox;

import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import java.util.List;
import java.util.Optional;

/// The whole state of a task between two calls of `step`, or its end, in a form that is the same on
/// every engine. How it is hashed is written down in docs/disputes.md.
public sealed interface Checkpoint {
  /// How many times `step` was called, the call in which the task ended included.
  long steps();

  /// A task that goes on.
  ///
  /// @param gasLeft of the task's limit
  /// @param pages of memory, 64 KiB each
  /// @param growthRefused whether a `memory.grow` failed for want of memory; it decides the kind of
  ///   a later failure
  /// @param memory root of the tree over the memory's 4 KiB pages
  /// @param globals SHA-256 of the module's own globals, 8 bytes each
  /// @param outputs what was written so far, of each declared output
  record Running(
      long steps,
      long gasLeft,
      int pages,
      boolean growthRefused,
      Hash memory,
      Hash globals,
      List<Blob> outputs)
      implements Checkpoint {
    public Running {
      outputs = List.copyOf(outputs);
    }
  }

  /// A task that has ended; so it stays.
  ///
  /// @param failure why it failed; empty when it is done
  /// @param gas what it spent
  /// @param outputs all declared ones when it is done, else none
  record Ended(long steps, Optional<Verdict.Kind> failure, long gas, List<Blob> outputs)
      implements Checkpoint {
    public Ended {
      outputs = List.copyOf(outputs);
    }
  }
}
