package dev.perseid.node;

import dev.perseid.core.Answer;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Outcome;
import dev.perseid.core.Text;
import java.util.ArrayList;
import java.util.List;

/// Answers why a task ended as it did, and whether it was paid, from the records of its attempts:
/// what is left when the job's graph is gone.
final class PoolHindsight {
  private static final String DISPUTED = " providers that ran it agree";

  private PoolHindsight() {}

  /// The answer from a task's records, in the order of their attempts.
  ///
  /// @param ending how the job ended, as a clause
  static Answer of(String taskName, List<ExecutionRecord> attempts, String ending) {
    if (attempts.isEmpty()) {
      return new Answer(
          "The job has ended ("
              + ending
              + ") and no attempt of a task named '"
              + taskName
              + "' is recorded: either it was never started, or the job had no such task.",
          List.of("look at the names in the job's records: perseid records JOB"));
    }
    ExecutionRecord last = attempts.getLast();
    StringBuilder said = new StringBuilder("Task '").append(last.taskName()).append("' ");
    List<String> help = new ArrayList<>();
    switch (last.outcome()) {
      case DONE -> said.append("is done");
      case TASK_FAILED -> {
        said.append("failed by its own fault: ").append(last.reason());
        help.add("mend the module, its arguments, inputs or limits: any provider would fail it");
      }
      case PROVIDER_FAILED, LOST, REFUSED -> {
        said.append("was given up after its provider failed it: ").append(last.reason());
        help.add("raise max_attempts, or submit the job again when other providers serve");
      }
      case CANCELLED -> said.append("was stopped: ").append(last.reason());
    }
    said.append(" (attempt ")
        .append(last.attempt())
        .append(" by ")
        .append(last.provider())
        .append(", record of lease ")
        .append(last.lease())
        .append("); ");
    said.append(belief(attempts, help));
    long paid = attempts.stream().mapToLong(ExecutionRecord::charge).sum();
    List<ExecutionRecord> unpaid =
        attempts.stream().filter(r -> r.charge() == 0 && r.outcome() != Outcome.DONE).toList();
    if (paid > 0) {
      said.append(said.indexOf(DISPUTED) < 0 ? "its providers were paid " : "its records come to ")
          .append(Text.credits(paid));
    } else if (last.outcome() == Outcome.DONE) {
      said.append("its recorded work came to nothing at the offer's price, so nothing was paid");
    } else {
      said.append("nothing was paid");
    }
    if (!unpaid.isEmpty()) {
      ExecutionRecord r = unpaid.getLast();
      said.append(", ")
          .append(unpaid.size())
          .append(unpaid.size() == 1 ? " attempt was" : " attempts were")
          .append(" not paid because ")
          .append(whyUnpaid(r));
    }
    return new Answer(said.append('.').toString(), help);
  }

  /// What several records say of the result together.
  private static String belief(List<ExecutionRecord> attempts, List<String> help) {
    List<ExecutionRecord> votes =
        attempts.stream()
            .filter(r -> r.outcome() == Outcome.DONE || r.outcome() == Outcome.TASK_FAILED)
            .toList();
    if (votes.size() > 1 && !votes.getFirst().isReplayable()) {
      return votes.size()
          + " providers ran it, and their results were compared; it is a native task, which nobody"
          + " can replay, so that none was verified; ";
    }
    long best = 0;
    for (ExecutionRecord vote : votes) {
      best = Math.max(best, votes.stream().filter(r -> agree(r, vote)).count());
    }
    if (votes.size() == 1) {
      if (votes.getFirst().outcome() == Outcome.TASK_FAILED) {
        return "";
      }
      help.add("to believe it more: ask for verification: {replicate: 2} in the job file");
      return "its result is one provider's word"
          + (votes.getFirst().isReplayable()
              ? "; "
              : ", and a native task's, which nobody can replay; ");
    }
    if (votes.size() == best) {
      return best > 1 ? best + " providers ran it and agree; " : "";
    }
    return best
        + " of "
        + votes.size()
        + DISPUTED
        + ", and the others were paid only if the job ended before that"
        + " was known; ";
  }

  private static boolean agree(ExecutionRecord a, ExecutionRecord b) {
    return a.outcome() == b.outcome()
        && a.outputs().equals(b.outputs())
        && (a.outcome() == Outcome.TASK_FAILED || a.usage().gas().equals(b.usage().gas()));
  }

  private static String whyUnpaid(ExecutionRecord r) {
    return switch (r.outcome()) {
      case PROVIDER_FAILED -> "the provider could not finish it (" + r.reason() + ")";
      case LOST -> "the provider was lost (" + r.reason() + ")";
      case REFUSED -> "its report was refused (" + r.reason() + ")";
      case CANCELLED -> "it was stopped before it ended";
      case DONE, TASK_FAILED -> "its recorded work came to nothing at the offer's price";
    };
  }
}
