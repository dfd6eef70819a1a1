package dev.perseid.sim;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.assertj.core.api.Assertions.within;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

final class WorkflowCommandTest {
  @TempDir private Path folder = Path.of(".");
  private final ByteArrayOutputStream out = new ByteArrayOutputStream();
  private final ByteArrayOutputStream err = new ByteArrayOutputStream();

  private int run(String... args) {
    return SimMain.run(
        args,
        new PrintStream(out, true, StandardCharsets.UTF_8),
        new PrintStream(err, true, StandardCharsets.UTF_8));
  }

  private String said() {
    return out.toString(StandardCharsets.UTF_8);
  }

  /// A task that splits, some that sort a part each, one that merges.
  private Path made(String name, int parts, double factor) throws IOException {
    List<String> tasks = new ArrayList<>();
    List<String> runs = new ArrayList<>();
    List<String> files = new ArrayList<>();
    files.add("{\"id\":\"all\",\"sizeInBytes\":1000}");
    tasks.add(
        "{\"id\":\"split_1\",\"name\":\"split_1\",\"parents\":[],\"children\":[],\"inputFiles\":[\"all\"],\"outputFiles\":[]}");
    runs.add(ran("split_1", "split", 2));
    List<String> all = new ArrayList<>();
    for (int i = 0; i < parts; i++) {
      String id = "sort_ID" + i;
      int bytes = 1_000 * (1 + i % 5);
      all.add('"' + id + '"');
      files.add("{\"id\":\"part" + i + "\",\"sizeInBytes\":" + bytes + "}");
      tasks.add(
          "{\"id\":\"%s\",\"name\":\"%s\",\"parents\":[\"split_1\"],\"children\":[],\"inputFiles\":[\"part%d\"],\"outputFiles\":[]}"
              .formatted(id, id, i));
      runs.add(ran(id, "/usr/bin/sort", bytes * factor));
    }
    tasks.add(
        "{\"id\":\"merge\",\"name\":\"merge\",\"parents\":[%s],\"children\":[],\"inputFiles\":[],\"outputFiles\":[]}"
            .formatted(String.join(",", all)));
    runs.add(ran("merge", "merge", 3));
    String text =
        "{\"schemaVersion\":\"1.5\",\"workflow\":{\"specification\":{\"tasks\":[%s],\"files\":[%s]},\"execution\":{\"tasks\":[%s]}}}"
            .formatted(String.join(",", tasks), String.join(",", files), String.join(",", runs));
    return Files.writeString(folder.resolve(name + ".json"), text);
  }

  private static String ran(String id, String program, double seconds) {
    return String.format(
        Locale.ROOT,
        "{\"id\":\"%s\",\"runtimeInSeconds\":%.3f,\"command\":{\"program\":\"%s\",\"arguments\":[\"-k\",\"1\"]},\"machines\":[\"m\"]}",
        id,
        seconds,
        program);
  }

  @Test
  void readsARecordedWorkflow() throws IOException, RecordedWorkflow.Unreadable {
    RecordedWorkflow read = RecordedWorkflow.read(made("sorting-small-001", 10, 0.01));
    assertThat(read.family()).isEqualTo("sorting");
    assertThat(read.kinds()).containsExactly("split", "sort", "merge");
    assertThat(read.graph().size()).isEqualTo(12);
    assertThat(read.graph().parents(11)).isEqualTo(10);
    assertThat(read.graph().children(0)).isEqualTo(10);
    assertThat(read.graph().inputBytes(3)).isEqualTo(3_000);
    assertThat(read.work()[3]).isEqualTo(30);
    assertThat(read.names().get(3))
        .containsExactly("sort", "sort/sort", "sort/sort -k", "sort/sort -k@m");
  }

  @Test
  void playsEveryPolicyOnEveryFleetAndPredicts() throws IOException {
    made("sorting-small-001", 20, 0.01);
    made("sorting-large-001", 40, 0.01);
    Files.writeString(folder.resolve("other.json"), "{\"workflow\":{}}");
    assertThat(run("workflows", folder.toString(), "--seeds", "1")).isZero();
    String first = said();
    assertThat(err.toString(StandardCharsets.UTF_8)).contains("left out: other.json");
    for (String fleet : List.of("P=4", "P=16", "P=64", "8x1,4x2,4x4", "16 uneven #3")) {
      assertThat(first.lines().filter(l -> l.startsWith(fleet + " ")).count())
          .as(fleet)
          .isEqualTo(6);
    }
    List<Double> exact =
        first
            .lines()
            .filter(l -> l.startsWith("8x1,4x2,4x4 ") && l.endsWith("%"))
            .findFirst()
            .map(l ->
                List.of(l.substring(12).strip().split(" +", -1)).stream()
                    .map(x -> Double.parseDouble(x.replace("%", "")))
                    .toList())
            .orElseThrow();
    // fifo, b-level, heft, dynamic heft, foresight: none below the bound, and the last is the best.
    assertThat(exact.subList(0, 5)).allMatch(x -> x >= 1 - 1e-9);
    assertThat(exact.get(4)).isLessThanOrEqualTo(exact.get(2)).isLessThan(exact.get(0));
    // What a second run of the family takes follows from the first, by bytes.
    String all = first.lines().filter(l -> l.startsWith("sorting ")).findFirst().orElseThrow();
    List<String> cells = List.of(all.replace(" %", "%").split(" +", -1));
    assertThat(cells.subList(0, 3)).containsExactly("sorting", "2", "64");
    assertThat(Double.parseDouble(cells.get(5).replace("%", ""))).isCloseTo(0, within(1.0));
    assertThat(Double.parseDouble(cells.get(6).replace("%", ""))).isGreaterThan(20);

    out.reset();
    assertThat(run("workflows", folder.toString(), "--seeds", "1")).isZero();
    assertThat(said()).isEqualTo(first);
  }

  /// What a kilowatt hour is worth buys energy for time.
  @Test
  void whoMindsEnergyUsesLessOfItAndWaits() throws IOException {
    made("sorting-small-001", 20, 0.01);
    made("sorting-large-001", 40, 0.01);
    assertThat(run("energy", folder.toString())).isZero();
    List<Double> row =
        said()
            .lines()
            .filter(l -> l.startsWith("8x1,4x2,4x4 "))
            .findFirst()
            .map(l ->
                List.of(l.substring(12).strip().split(" +", -1)).stream()
                    .map(Double::parseDouble)
                    .toList())
            .orElseThrow();
    assertThat(row).hasSize(8).startsWith(1.0, 1.0);
    assertThat(row.get(6)).as("time").isGreaterThan(1.1);
    assertThat(row.get(7)).as("energy").isLessThan(0.95);
  }

  @Test
  void refusesWhatMakesNoSense() throws IOException, RecordedWorkflow.Unreadable {
    assertThat(run("workflows")).isEqualTo(2);
    assertThat(run("workflows", folder.toString())).isEqualTo(2);
    assertThat(run("predict", folder.resolve("none").toString())).isEqualTo(2);
    assertThat(run("workflows", folder.toString(), "--seeds", "0")).isEqualTo(2);
    assertThat(run("workflows", folder.toString(), "--seed", "1")).isEqualTo(2);
    assertThat(run("workflows", folder.toString(), "--seeds", "x")).isEqualTo(2);
    assertThat(err.toString(StandardCharsets.UTF_8))
        .contains("which folder?")
        .contains("no WfFormat 1.5 file in ")
        .contains("cannot read ")
        .contains("--seeds goes from 1 to 1000")
        .contains("'--seed' means nothing here")
        .contains("--seeds needs a number, not 'x'");
    Path circle =
        Files.writeString(
            folder.resolve("c.json"),
            "{\"workflow\":{\"specification\":{\"tasks\":[{\"id\":\"a\",\"parents\":[\"b\"]},{\"id\":\"b\",\"parents\":[\"a\"]}]},\"execution\":{\"tasks\":[]}}}");
    assertThatThrownBy(() -> RecordedWorkflow.read(circle))
        .hasMessage("c.json: tasks wait for each other in a circle");
    assertThat(RecordedWorkflow.read(made("x", 1, 1)).graph().size()).isEqualTo(3);
  }
}
