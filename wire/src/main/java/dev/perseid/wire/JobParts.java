package dev.perseid.wire;

import dev.perseid.core.Address;
import dev.perseid.core.Input;
import dev.perseid.core.JobSpec;
import dev.perseid.core.Limits;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Thrift;
import dev.perseid.core.Urgency;
import dev.perseid.core.Verification;
import dev.perseid.wire.v1.Proto;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/// Puts a job together from the parts of one Submit stream: a header, then tasks. Holds no more
/// than one job may have ([Limits]); one too many ends it with [Malformed] at once.
public final class JobParts {
  private final Address consumer;
  private final List<TaskSpec> tasks = new ArrayList<>();
  private Proto.@Nullable JobHeader header;
  private long edges;

  /// @param consumer who calls
  public JobParts(Address consumer) {
    this.consumer = consumer;
  }

  /// Takes the next part.
  public void add(Proto.SubmitPart part) throws Malformed {
    switch (part.getPartCase()) {
      case HEADER -> {
        if (header != null) {
          throw new Malformed("a second header came: one stream submits one job");
        }
        Translation.atMost(part.getHeader().getKindsCount(), Limits.JOB_KINDS, "header.kinds");
        Translation.atMost(part.getHeader().getResultsCount(), Limits.JOB_EDGES, "header.results");
        header = part.getHeader();
      }
      case TASKS -> {
        if (header == null) {
          throw new Malformed("tasks came before the header: send the header first");
        }
        List<Proto.Task> more = part.getTasks().getTasksList();
        if (tasks.size() + more.size() > Limits.JOB_TASKS) {
          throw new Malformed(
              "the job has more than "
                  + Limits.JOB_TASKS
                  + " tasks, the most that one job may have: split it into several jobs");
        }
        for (Proto.Task t : more) {
          edges += t.getInputsCount() + t.getAfterCount();
          if (edges > Limits.JOB_EDGES) {
            throw new Malformed(
                "the job has more than "
                    + Limits.JOB_EDGES
                    + " inputs and dependencies, the most that one job may have: split it");
          }
          tasks.add(Translation.read(t, "tasks[" + tasks.size() + "]"));
        }
      }
      case PART_NOT_SET ->
          throw new Malformed("a part is empty: send a header, then parts with tasks");
    }
  }

  /// How many tasks came so far.
  public int taskCount() {
    return tasks.size();
  }

  /// The whole job, once the stream ended.
  public JobSpec job() throws Malformed {
    Proto.JobHeader h = header();
    List<TaskKind> kinds = new ArrayList<>(h.getKindsCount());
    for (int i = 0; i < h.getKindsCount(); i++) {
      kinds.add(Translation.read(h.getKinds(i), "header.kinds[" + i + "]"));
    }
    List<Input.Produced> results = new ArrayList<>(h.getResultsCount());
    for (int i = 0; i < h.getResultsCount(); i++) {
      results.add(Translation.read(h.getResults(i), "header.results[" + i + "]"));
    }
    return new JobSpec(
        consumer,
        h.getNonce(),
        Translation.text(h.getName(), WireLimits.NAME_CHARS, "header.name"),
        h.getPriority(),
        h.getBudget(),
        List.copyOf(kinds),
        List.copyOf(tasks),
        List.copyOf(results),
        h.hasVerification()
            ? Translation.read(h.getVerification(), "header.verification")
            : new Verification.None(),
        new Urgency(
            new Thrift(h.getThriftMsPerCredit(), h.getThriftMsPerKwh(), h.getThriftMsPerKgCo2()),
            h.getDeadlineMs(),
            h.getCopiesPercent(),
            Translation.read(h.getScheduling(), "header.scheduling")));
  }

  /// The consumer's signature of the order, 65 bytes in hexadecimal digits.
  public String signature() throws Malformed {
    return Translation.signature(header().getSignature(), "header.signature");
  }

  private Proto.JobHeader header() throws Malformed {
    if (header == null) {
      throw new Malformed("the stream ended without a header: send the header first");
    }
    return header;
  }
}
