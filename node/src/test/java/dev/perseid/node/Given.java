package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Input;
import dev.perseid.core.JobSpec;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import java.util.ArrayList;
import java.util.List;

/// Small jobs for tests.
final class Given {
  private Given() {}

  static TaskKind kind(String name, Blob module) {
    return new TaskKind(name, module, 1_000_000, 1 << 20, 1 << 20, 10_000, 1, 3);
  }

  /// `width` independent tasks and one that waits for them all; each has one output, and the last
  /// one's is the job's result.
  static JobSpec fan(Address consumer, long nonce, Blob module, int width) {
    List<TaskSpec> tasks = new ArrayList<>();
    List<Input> all = new ArrayList<>();
    for (int i = 0; i < width; i++) {
      tasks.add(new TaskSpec(null, 0, i, "n=" + i, List.of(), List.of(), 1));
      all.add(new Input.Produced(i, 0));
    }
    tasks.add(new TaskSpec("last", 1, -1, "", all, List.of(), 1));
    return new JobSpec(
        consumer,
        nonce,
        "fan",
        0,
        1_000_000,
        List.of(kind("each", module), kind("last", module)),
        tasks,
        List.of(new Input.Produced(width, 0)));
  }
}
