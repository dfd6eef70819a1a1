package dev.perseid.journal;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.ByteArrayOutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Files of other systems, in the forms that these write.
class ImportsTest {
  private static final long S = 1_000_000_000L;

  @TempDir Path here;

  private Trace read(String name, String text) throws Exception {
    return Imports.read(Files.writeString(here.resolve(name), text));
  }

  private void wrong(String text, String message) {
    assertThatThrownBy(() -> read("wrong", text))
        .as(text)
        .isInstanceOf(TraceFailure.class)
        .hasMessageContaining(message);
  }

  private static long of(Trace trace, int attempt, Measure measure) {
    return trace.get(attempt, measure).orElseThrow();
  }

  private static final String SWF =
      """
      ; Version: 2.2
      ; Computer: A cluster
      ; UnixStartTime: 1000000000
      ; MaxProcs: 4
      ;
      1 0 10 100 2 50 1000 2 200 2000 1 3 1 7 0 0 -1 -1
      2 5 105 50 4 -1 -1 4 60 -1 0 3 1 7 0 0 1 20
      3 6 -1 -1 -1 -1 -1 4 60 -1 5 3 1 8 0 0 -1 -1
      4 7 1 10 1 -1 -1 1 60 -1 2 3 1 8 0 0 -1 -1
      5 400 0 1.5 1 -1 -1 1 60 -1 1 3 1 -1 2 -1 99 -1
      """;

  @Test
  void aLogInTheStandardWorkloadFormat() throws Exception {
    Trace t = read("cluster.swf", SWF);
    assertThat(t.title()).isEqualTo("A cluster");
    assertThat(t.epochUs()).isEqualTo(1_000_000_000_000_000L);
    assertThat(t.cores().orElseThrow()).isEqualTo(4);
    assertThat(t.tasks()).isEqualTo(4);
    assertThat(t.name(1)).isEqualTo("job 2");
    assertThat(t.kind(0)).isEqualTo("application 7");
    assertThat(t.kind(3)).isEqualTo("queue 2");
    assertThat(t.parents(1)).containsExactly(0);
    assertThat(of(t, 0, Measure.READY)).isZero();
    assertThat(of(t, 0, Measure.START)).isEqualTo(10 * S);
    assertThat(of(t, 0, Measure.END)).isEqualTo(110 * S);
    assertThat(of(t, 0, Measure.CPU)).isEqualTo(100 * S);
    assertThat(of(t, 0, Measure.MEMORY)).isEqualTo(2 * 1_000 * 1_024);
    assertThat(of(t, 0, Measure.WALL_ASKED)).isEqualTo(200 * S);
    assertThat(of(t, 3, Measure.END)).isEqualTo(401_500_000_000L);
    assertThat(t.ending(1)).isEqualTo(Ending.FAILED);
    assertThat(t.ending(2)).isEqualTo(Ending.CANCELLED);
    assertThat(t.get(2, Measure.START)).isEmpty();
    assertThat(t.notes()).hasSize(3);
    Findings f = Findings.of(t, OptionalLong.empty());
    assertThat(f.spanNs()).isEqualTo(401_500_000_000L);
    assertThat(f.where().stream().mapToLong(Findings.Share::ns).sum()).isEqualTo(f.spanNs());
    assertThat(f.where().getFirst()).isEqualTo(new Findings.Share(Part.ARRIVING, "", 400 * S));
    assertThat(f.best().holds()).startsWith("when the work came");
    // With cores without end the last job still comes when it came.
    assertThat(f.ifs().stream().map(Findings.If::makespanNs)).contains(f.spanNs());

    wrong(SWF + "6 1 2\n", "wrong:11: 3 fields; a job has 18");
    wrong(SWF + SWF.substring(SWF.indexOf("1 0 10")), "wrong:11: there are two jobs 1");
    wrong(SWF + "6 0 x" + " 1".repeat(15) + "\n", "wrong:11: field 3, 'x', is no number");
    wrong(SWF + "6 0 9e9" + " 1".repeat(15) + "\n", "field 3 is more than a hundred years");
  }

  private static final String NEXTFLOW =
      """
      task_id\thash\tnative_id\tname\tstatus\texit\tsubmit\tduration\trealtime\t%cpu\tpeak_rss\tpeak_vmem\trchar\twchar
      1\t0a/1b2c3d\t101\tFASTQC (s1)\tCOMPLETED\t0\t2026-01-31 12:00:00.000\t1m 10s\t1m 4.5s\t97.5%\t2.5 MB\t1 GB\t100 KB\t7 B
      2\t0a/1b2c3e\t102\tALIGN:BWA (s1)\tFAILED\t137\t2026-01-31 12:00:01.250\t3s\t250ms\t-\t-\t-\t-\t-
      3\t0a/1b2c3f\t103\tALIGN:BWA (s2)\tCACHED\t0\t2026-01-30 12:00:00.000\t3s\t2s\t-\t-\t-\t-\t-
      4\t0a/1b2c40\t-\tALIGN:BWA (s3)\tABORTED\t-\t-\t-\t-\t-\t-\t-\t-\t-
      """;

  @Test
  void nextflowsTraceForPeopleAndRaw() throws Exception {
    Trace t = read("trace.txt", NEXTFLOW);
    assertThat(t.tasks()).isEqualTo(3);
    assertThat(t.kinds()).containsExactly("FASTQC", "ALIGN:BWA");
    assertThat(of(t, 0, Measure.START)).isEqualTo(5_500_000_000L);
    assertThat(of(t, 0, Measure.END)).isEqualTo(70 * S);
    assertThat(of(t, 0, Measure.MEMORY)).isEqualTo(2_621_440);
    assertThat(of(t, 0, Measure.CPU)).isEqualTo(62_887_500_000L);
    assertThat(of(t, 1, Measure.READY)).isEqualTo(1_250_000_000L);
    assertThat(t.reason(1)).isEqualTo("exit 137");
    assertThat(t.notes()).hasSize(2);
    assertThat(Findings.of(t, OptionalLong.empty()).spanNs()).isEqualTo(70 * S);

    Trace raw =
        read(
            "raw.txt",
            "name\tstatus\tattempt\tsubmit\tstart\tcomplete\trealtime\tcpus\tmemory\thostname\n"
                + "A (1)\tFAILED\t1\t1000\t1500\t2500\t1000\t2\t1073741824\tn1\n"
                + "A (1)\tCOMPLETED\t2\t2600\t3000\t5000\t2000\t2\t1073741824\tn2\n");
    assertThat(raw.tasks()).isEqualTo(1);
    assertThat(raw.attempts(0)).containsExactly(0, 1);
    assertThat(raw.place(1)).isEqualTo("n2");
    assertThat(of(raw, 1, Measure.START)).isEqualTo(2 * S);
    assertThat(of(raw, 1, Measure.CORES)).isEqualTo(2);
    Findings f = Findings.of(raw, OptionalLong.empty());
    assertThat(f.where())
        .contains(
            new Findings.Share(Part.RUNNING, "A", 2 * S),
            new Findings.Share(Part.RETRYING, "", 1_100_000_000L));

    wrong(NEXTFLOW + "5\tx\n", "wrong:6: 2 cells, but 14 columns");
    wrong(
        NEXTFLOW.replace("1m 4.5s", "soon"),
        "wrong:2: realtime is 'soon'; Nextflow writes it like");
    wrong(NEXTFLOW.replace("CACHED", "LUCKY"), "wrong:4: the status 'LUCKY' is unknown");
    wrong(NEXTFLOW.replace("12:00:01.250", "noon"), "wrong:3: submit is ");
    wrong(NEXTFLOW.replace("submit", "sent"), "there is no column submit");
  }

  private static final String WORKFLOW =
      """
      {"name": "w", "schemaVersion": "1.5", "workflow": {
        "specification": {"tasks": [
          {"name": "cut_1", "id": "cut_1", "parents": [], "children": ["map_2"]},
          {"name": "map_2", "id": "map_2", "parents": ["cut_1"], "children": []}]},
        "execution": {"executedAt": "20200101T000000Z", "makespanInSeconds": 5, "tasks": [
          {"id": "cut_1", "runtimeInSeconds": 1.5, "executedAt": "2020-01-01T00:00:01Z",
           "coreCount": 2, "avgCPU": 150, "machines": ["m"]},
          {"id": "map_2", "runtimeInSeconds": 2, "executedAt": "20200101T000003+0000",
           "command": {"program": "bwa mem"}, "memoryInBytes": 5, "machines": ["m"]}],
          "machines": [{"nodeName": "m", "cpu": {"coreCount": 8}}]}}}
      """;

  @Test
  void aWorkflowInstanceWithTimesAndWithout() throws Exception {
    Trace t = read("w.json", WORKFLOW);
    assertThat(t.kinds()).containsExactly("cut", "bwa");
    assertThat(t.cores().orElseThrow()).isEqualTo(8);
    assertThat(of(t, 1, Measure.START)).isEqualTo(2 * S);
    assertThat(of(t, 0, Measure.CPU)).isEqualTo(2_250_000_000L);
    assertThat(Findings.of(t, OptionalLong.empty()).spanNs()).isEqualTo(4 * S);
    String untimed = WORKFLOW.replace(", \"executedAt\": \"2020-01-01T00:00:01Z\"", "");
    Findings f = Findings.of(read("u.json", untimed), OptionalLong.empty());
    assertThat(f.spanNs()).isEqualTo(3_500_000_000L);
    assertThat(f.notes()).singleElement().asString().contains("a rerun on 8 cores");

    // What is written is read again.
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    TraceExports.wfformat(t, "1", out);
    Trace again = read("again.json", out.toString(java.nio.charset.StandardCharsets.UTF_8));
    assertThat(again.parents(1)).containsExactly(0);
    assertThat(of(again, 1, Measure.START)).isEqualTo(2 * S);
    assertThat(Findings.of(again, OptionalLong.of(8)).best().chainNs()).isEqualTo(3_500_000_000L);

    wrong(WORKFLOW.substring(0, 200), "this is not whole JSON");
    wrong("{\"name\": \"w\"}", "no /workflow/specification/tasks");
    wrong(WORKFLOW.replace("[\"cut_1\"]", "[\"cutt\"]"), "'map_2' waits for 'cutt'");
    wrong(
        WORKFLOW.replaceFirst("\"parents\": \\[\\]", "\"parents\": [\"map_2\"]"),
        "tasks wait for each other in a circle: ");
    wrong(WORKFLOW.replace("1.5, \"exec", "-1, \"exec"), "no runtimeInSeconds of 0 or more");
    wrong("It was a dark night", "is no file that this reads");
    wrong("", "is no file that this reads");
  }

  @Test
  void bytesThatAreNoTextAreNoFileForThis() throws Exception {
    Path file = Files.write(here.resolve("b"), new byte[] {(byte) 0xff, (byte) 0xfe, 0, 1});
    assertThatThrownBy(() -> Imports.read(file)).hasMessageContaining("is no file that this reads");
  }
}
