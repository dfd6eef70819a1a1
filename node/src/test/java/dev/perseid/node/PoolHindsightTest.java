package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Answer;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.Usage;
import java.util.List;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;

final class PoolHindsightTest {
  @Test
  void aTaskThatWasTriedTwiceSaysWhoWasPaidAndWhoWasNot() {
    Answer a =
        PoolHindsight.of(
            "align[3]",
            List.of(
                attempt(1, Outcome.LOST, "it was silent for more than 10000 ms", 0),
                attempt(2, Outcome.DONE, "", 1_250_000)),
            "all of its tasks are done");
    assertThat(a.sentence())
        .contains("'align[3]' is done")
        .contains("attempt 2")
        .contains("paid 1.25 credits")
        .contains("1 attempt was not paid because the provider was lost (it was silent");
    assertThat(a.sentence()).contains("its result is one provider's word");
    assertThat(a.wouldHelp()).singleElement().asString().contains("replicate: 2");
  }

  @Test
  void aTaskThatFailedByItselfSaysThatNoProviderWouldHelp() {
    Answer a =
        PoolHindsight.of(
            "x", List.of(attempt(1, Outcome.TASK_FAILED, "out of gas", 7)), "task 'x' failed");
    assertThat(a.sentence()).contains("failed by its own fault: out of gas").contains("0.000007");
    assertThat(a.wouldHelp()).singleElement().asString().contains("any provider would fail it");
  }

  @Test
  void aTaskWithoutRecordsIsNotCalledDone() {
    Answer a = PoolHindsight.of("nosuch", List.of(), "all of its tasks are done");
    assertThat(a.sentence()).contains("no attempt of a task named 'nosuch' is recorded");
  }

  private static ExecutionRecord attempt(int number, Outcome outcome, String reason, long charge) {
    return new ExecutionRecord(
        Address.ZERO,
        new JobId(1, 2),
        3,
        "align[3]",
        "align",
        number,
        number,
        Address.ZERO,
        Address.ZERO,
        Hash.ZERO,
        Hash.ZERO,
        Hash.ZERO,
        List.of(),
        List.of(),
        1,
        1,
        1,
        0,
        0,
        0,
        OptionalLong.empty(),
        OptionalLong.empty(),
        outcome,
        reason,
        Usage.UNMEASURED,
        List.of(),
        "",
        "",
        charge);
  }
}
