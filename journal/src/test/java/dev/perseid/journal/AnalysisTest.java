package dev.perseid.journal;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Entry;
import dev.perseid.core.Outcome;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;

class AnalysisTest {
  private static final List<Entry> JOB =
      List.of(
          Entries.done(0, 1, 0, "split", 1, 0, 10),
          Entries.entry(1, 1, 1, "align", 1, 2, Outcome.LOST, 10, 5, List.of(0)),
          Entries.done(2, 1, 2, "align", 1, 10, 20, 0),
          Entries.entry(3, 1, 1, "align", 2, 1, Outcome.DONE, 15, 30, List.of(0)),
          Entries.done(4, 1, 3, "merge", 2, 45, 5, 1, 2));

  @Test
  void recordsByKind() {
    List<Analysis.KindRow> rows = Analysis.byKind(JOB);
    assertThat(rows).extracting(Analysis.KindRow::kind).containsExactly("split", "align", "merge");
    Analysis.KindRow align = rows.get(1);
    assertThat(align.tasks()).isEqualTo(2);
    assertThat(align.attempts()).isEqualTo(3);
    assertThat(align.failed()).isEqualTo(1);
    assertThat(align.wallMinNs()).hasValue(20_000_000);
    assertThat(align.wallMedianNs()).hasValue(20_000_000);
    assertThat(align.wallP95Ns()).hasValue(30_000_000);
    assertThat(align.wallMaxNs()).hasValue(30_000_000);
    assertThat(align.cpuNs()).hasValue(45_000_000);
    assertThat(align.gas()).hasValue(50_000);
    assertThat(align.bytesIn()).hasValue(200);
    assertThat(align.charge()).isEqualTo(14);
  }

  @Test
  void percentilesAreByNearestRank() {
    List<Entry> entries = new ArrayList<>();
    for (int i = 0; i < 100; i++) {
      entries.add(Entries.done(i, 1, i, "k", 1, 0, 1 + (i * 37) % 100));
    }
    Analysis.KindRow row = Analysis.byKind(entries).getFirst();
    assertThat(row.wallMinNs()).hasValue(1_000_000);
    assertThat(row.wallMedianNs()).hasValue(50_000_000);
    assertThat(row.wallP95Ns()).hasValue(95_000_000);
    assertThat(row.wallMaxNs()).hasValue(100_000_000);
  }

  @Test
  void whatWasNeverMeasuredIsAbsent() {
    List<Entry> lost = List.of(Entries.entry(0, 1, 0, "k", 1, 1, Outcome.LOST, 0, 0, List.of()));
    Analysis.KindRow row = Analysis.byKind(lost).getFirst();
    assertThat(row.wallMedianNs()).isEmpty();
    assertThat(row.cpuNs()).isEmpty();
    assertThat(row.gas()).isEmpty();
    assertThat(Analysis.criticalPath(lost).steps()).isEmpty();
    assertThat(Analysis.byKind(List.of())).isEmpty();
    assertThat(Analysis.criticalPath(List.of()))
        .isEqualTo(new Analysis.CriticalPath(List.of(), 0, 0));
    assertThat(Analysis.utilisation(List.of(), a -> 1)).isEmpty();
  }

  @Test
  void theCriticalPathIsTheLongestChain() {
    Analysis.CriticalPath path = Analysis.criticalPath(JOB);
    assertThat(path.steps())
        .extracting(Analysis.Step::name)
        .containsExactly("split[0]", "align[1]", "merge[3]");
    assertThat(path.wallNs()).isEqualTo(45_000_000);
    assertThat(path.spanUs()).isEqualTo(50_500);
    // A lone task that ran longer than the whole chain is the path.
    List<Entry> more = new ArrayList<>(JOB);
    more.add(Entries.done(5, 1, 4, "lone", 3, 0, 46));
    assertThat(Analysis.criticalPath(more).steps())
        .extracting(Analysis.Step::name)
        .containsExactly("lone[4]");
  }

  @Test
  void utilisationIsBusyTimeOverCoresAndSpan() {
    List<Analysis.ProviderRow> rows = Analysis.utilisation(JOB, a -> a.c() == 1 ? 2 : 0);
    assertThat(rows)
        .extracting(Analysis.ProviderRow::provider)
        .containsExactly(Entries.provider(1), Entries.provider(2));
    Analysis.ProviderRow first = rows.getFirst();
    assertThat(first.attempts()).isEqualTo(3);
    assertThat(first.busyNs()).isEqualTo(60_000_000);
    // From the first assignment, 0.1 ms before the start, to the last record, 0.5 ms after the end.
    assertThat(first.spanUs()).isEqualTo(50_600);
    assertThat(first.utilisation()).isEqualTo(60_000_000 / (1000.0 * 2 * 50_600));
    assertThat(rows.get(1).utilisation()).isNaN();
    assertThat(rows.get(1).attempts()).isEqualTo(2);
  }
}
