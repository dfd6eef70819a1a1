package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Blob;
import dev.perseid.core.Input;
import dev.perseid.core.TaskSpec;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.math.BigDecimal;
import java.nio.file.Path;
import java.util.Arrays;
import org.junit.jupiter.api.Test;

class WfFormatTest {
  private static final String WORKFLOW =
      """
      {
        "name": "small", "schemaVersion": "1.5",
        "workflow": {
          "specification": {
            "tasks": [
              {"name": "split_ID1", "id": "split_ID1", "parents": [], "children": ["map_ID2", "map_ID3"],
               "inputFiles": ["in"], "outputFiles": ["a", "b"]},
              {"name": "map_ID2", "id": "map_ID2", "parents": ["split_ID1"], "children": ["join"],
               "inputFiles": ["a", "in", "empty"], "outputFiles": ["c"]},
              {"name": "map_ID3", "id": "map_ID3", "parents": ["split_ID1"], "children": ["join"],
               "inputFiles": ["b"], "outputFiles": []},
              {"name": "join", "id": "join", "parents": ["map_ID2", "map_ID3"], "children": [],
               "inputFiles": ["c"]}
            ],
            "files": [
              {"id": "in", "sizeInBytes": 1000}, {"id": "a", "sizeInBytes": 10},
              {"id": "b", "sizeInBytes": 20}, {"id": "c", "sizeInBytes": 15},
              {"id": "empty", "sizeInBytes": 0}
            ]
          },
          "execution": {
            "makespanInSeconds": 9, "executedAt": "2020-01-01T00:00:00Z",
            "tasks": [
              {"id": "split_ID1", "runtimeInSeconds": 2, "command": {"program": "split --lines"}},
              {"id": "map_ID2", "runtimeInSeconds": 0.5},
              {"id": "map_ID3", "runtimeInSeconds": 1.25},
              {"id": "join", "runtimeInSeconds": 0}
            ]
          }
        }
      }
      """;

  private static JobPlan read(String text, String scale, String dataScale) throws BadInput {
    return WfFormat.read(
        Path.of("w.json"), text, new BigDecimal(scale), new BigDecimal(dataScale), 7);
  }

  @Test
  void graphTimesAndSizes() throws Exception {
    assertThat(WfFormat.recognises(WORKFLOW)).isTrue();
    assertThat(WfFormat.recognises("name: x\ntasks: []\n")).isFalse();
    JobPlan plan = read(WORKFLOW, "0.1", "0.5");

    assertThat(plan.name()).isEqualTo("small");
    assertThat(plan.budget()).isEqualTo(7);
    assertThat(plan.kinds()).extracting(k -> k.name()).containsExactly("split", "map", "join");
    assertThat(plan.tasks())
        .extracting(TaskSpec::ownName)
        .containsExactly("split_ID1", "map_ID2", "map_ID3", "join");
    long second = WfFormat.ITERATIONS_PER_SECOND / 10;
    assertThat(plan.tasks())
        .extracting(TaskSpec::args)
        .containsExactly(2 * second + " 5 10", second / 2 + " 8", second + second / 4 + "", "0");
    assertThat(plan.tasks()).extracting(TaskSpec::outputs).containsExactly(2, 1, 0, 0);
    assertThat(plan.tasks().get(1).inputs())
        .hasSize(3)
        .startsWith(new Input.Produced(0, 0))
        .endsWith(new Input.Stored(Blob.EMPTY));
    // A dependency that files do not show stays one; one that they show is not doubled.
    assertThat(plan.tasks().get(1).after()).isEmpty();
    assertThat(plan.tasks().get(3).after()).containsExactly(2);
    assertThat(plan.uploads()).extracting(u -> u.name()).containsExactly("burn.wasm", "in");
    assertThat(plan.uploads().get(1).blob().sizeBytes()).isEqualTo(500);
    assertThat(read(WORKFLOW, "0.1", "0.5").spec(dev.perseid.core.Address.ZERO, 1))
        .isEqualTo(plan.spec(dev.perseid.core.Address.ZERO, 1));
  }

  @Test
  void kindsFromNames() {
    assertThat(WfFormat.kindOf("bowtie2-build_ID0000001")).isEqualTo("bowtie2-build");
    assertThat(WfFormat.kindOf("merge_17")).isEqualTo("merge");
    assertThat(WfFormat.kindOf("a b/c")).isEqualTo("a_b_c");
    assertThat(WfFormat.kindOf("42")).isEqualTo("42");
  }

  @Test
  void whatCannotBeReplayedIsRefusedWithItsPlace() {
    assertThatThrownBy(() -> read(WORKFLOW.replace("\"in\", \"empty\"", "\"inn\""), "1", "1"))
        .hasMessageStartingWith("w.json:9:30: the file 'inn' is not among 'files'")
        .hasMessageContaining("did you mean 'in'?");
    assertThatThrownBy(() ->
            read(WORKFLOW.replace("\"parents\": [], ", "\"parents\": [\"join\"], "), "1", "1"))
        .hasMessageContaining("in a circle");
    assertThatThrownBy(() -> read(WORKFLOW.replace("\"specification\"", "\"tasks_of\""), "1", "1"))
        .hasMessageContaining("before 1.5");
    assertThatThrownBy(
            () -> read(WORKFLOW.replace("\"c\"]}", "\"c\"], \"outputFiles\": [\"c\"]}"), "1", "1"))
        .hasMessageContaining("two tasks write");
    assertThatThrownBy(() -> read(WORKFLOW.replace("0.5}", "-0.5}"), "1", "1"))
        .hasMessageContaining("cannot be negative");
    assertThatThrownBy(() -> read(WORKFLOW, "1e15", "1")).hasMessageContaining("--scale");
    assertThatThrownBy(() -> read(WORKFLOW, "1", "1e9")).hasMessageContaining("--data-scale");
  }

  @Test
  void noiseIsTheSameFromAnyOffset() throws Exception {
    Noise noise = Noise.of("in", 100_003);
    byte[] all = noise.open(0).readAllBytes();
    assertThat(all).hasSize(100_003);
    for (int offset : new int[] {1, 7, 8, 4_096, 99_999, 100_003}) {
      assertThat(noise.open(offset).readAllBytes())
          .isEqualTo(Arrays.copyOfRange(all, offset, all.length));
    }
    try (InputStream one = noise.open(3)) {
      assertThat(one.read()).isEqualTo(all[3] & 0xff);
    }
    assertThat(LocalFiles.hash(noise.open(0)))
        .isEqualTo(LocalFiles.hash(new ByteArrayInputStream(all)));
    assertThat(Noise.of("other", 100_003).open(0).readAllBytes()).isNotEqualTo(all);
  }
}
