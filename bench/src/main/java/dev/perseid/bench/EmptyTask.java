package dev.perseid.bench;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Hash;
import dev.perseid.core.JobSpec;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import java.util.ArrayList;
import java.util.List;

/// The task that does nothing: one page of memory, and a `step` that says "done" at once.
final class EmptyTask {
  /// `(module (memory (export "memory") 1) (func (export "step") (result i32) i32.const 1))`
  static final byte[] MODULE = {
    0, 'a', 's', 'm', 1, 0, 0, 0, // magic and version
    1, 5, 1, 0x60, 0, 1, 0x7f, // types: () -> i32
    3, 2, 1, 0, // functions: one of that type
    5, 3, 1, 0, 1, // memories: one of one page
    7, 17, 2, 6, 'm', 'e', 'm', 'o', 'r', 'y', 2, 0, 4, 's', 't', 'e', 'p', 0, 0, // exports
    10, 6, 1, 4, 0, 0x41, 1, 0x0b, // code: i32.const 1
  };

  static final Blob BLOB = new Blob(Hash.sha256(MODULE), MODULE.length);

  /// Enough for any of these jobs; what is not used comes back.
  static final long BUDGET = 1_000_000_000;

  private static final TaskKind KIND =
      new TaskKind("empty", BLOB, 10_000_000, 65_536, 0, 10_000, 1, 3);

  private EmptyTask() {}

  /// A job of `tasks` independent empty tasks.
  static JobSpec job(Address consumer, long nonce, int tasks) {
    List<TaskSpec> all = new ArrayList<>(tasks);
    for (int i = 0; i < tasks; i++) {
      all.add(new TaskSpec(null, 0, i, "", List.of(), List.of(), 0));
    }
    return new JobSpec(consumer, nonce, "empty", 0, BUDGET, List.of(KIND), all, List.of());
  }
}
