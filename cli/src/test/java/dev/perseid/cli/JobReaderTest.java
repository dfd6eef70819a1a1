package dev.perseid.cli;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Blob;
import dev.perseid.core.Comparison;
import dev.perseid.core.Form;
import dev.perseid.core.Gpus;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.Platform;
import dev.perseid.core.Scheduling;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Thrift;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.stream.Stream;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

class JobReaderTest {
  private static final String WRONG_LINES =
      """
      nmae: x                                  | 1:1 | did you mean 'name'?
      name: 5                                  | 1:7 | put it in quotes: "5"
      name: ''                                 | 1:7 | 1 to 128 characters
      name: [a]                                | 1:7 | must be text, not a list
      name:                                    | 1:6 | not nothing
      budget_microcredits: 0                   | 1:22 | from 1 to
      budget_microcredits: 1.5                 | 1:22 | must be a whole number, not the number 1.5
      budget_microcredits: 99999999999999999999 | 1:22 | out of range
      priority: 101                            | 1:11 | from -100 to 100
      priority: high                           | 1:11 | not the text 'high'
      thrift_s_per_credit: -1                  | 1:22 | write 0 (as soon as possible
      thrift_s_per_credit: 31536001            | 1:22 | is out of range: 31536001
      thrift_s_per_kwh: -1                     | 1:19 | write 0 (as soon as possible, whatever it uses) to 31536000000
      thrift_s_per_kg_co2: -1                  | 1:22 | whatever it emits
      deadline_s: 0                            | 1:13 | write 0.001 to 31536000, or leave it out
      deadline_s: 31536001                     | 1:13 | 'deadline_s' is out of range: 31536001
      copies_percent: 101                      | 1:17 | from 0 to 100
      scheduler: best                          | 1:12 | write one of learned, fifo, b_level, heft, dynamic_heft
      defaults: {gas: 5}                       | 1:12 | did you mean
      defaults: 5                              | 1:11 | must be a mapping
      tasks: []                                | 1:8 | the job has no tasks
      tasks: {a: b}                            | 1:8 | must be a list
      tasks: [a]                               | 1:9 | a task must be a mapping, not the text 'a'
      tasks: [{name: a}]                       | 1:9 | a task needs 'module'
      tasks: [{module: m.wasm}]                | 1:9 | a task needs 'name'
      tasks: [{name: 'a b', module: m.wasm}]   | 1:16 | is no name for a task
      tasks: [{name: a, modul: m.wasm}]        | 1:19 | did you mean 'module'?
      tasks: [{name: a, module: n.wasm}]       | 1:27 | m.wasm'?
      tasks: [{name: a, module: .}]            | 1:27 | is a folder
      tasks: [{name: a, module: data.txt}]     | 1:27 | is no portable task
      tasks: [{name: a, module: m.wasm, count: 0}] | 1:42 | from 1 to 200000
      tasks: [{name: a, module: m.wasm, args: true}] | 1:41 | put it in quotes
      tasks: [{name: a, module: m.wasm, inputs: x}] | 1:43 | must be a list
      tasks: [{name: a, module: m.wasm, inputs: ['dat.txt']}] | 1:44 | data.txt'?
      tasks: [{name: a, module: m.wasm, inputs: ['sha256:12']}] | 1:44 | 64 hexadecimal digits
      tasks: [{name: a, module: m.wasm, inputs: ['b:0']}] | 1:44 | there is no task 'b'
      tasks: [{name: a, module: m.wasm, inputs: ['a:0']}] | 1:16 | 'a' waits for itself
      tasks: [{name: a, module: m.wasm, inputs: ['a:1']}] | 1:44 | 'a' has no output 1
      tasks: [{name: a, module: m.wasm, inputs: ['a']}] | 1:44 | write a:0
      tasks: [{name: a, module: m.wasm, inputs: ['a[0]:0']}] | 1:44 | has no copies
      tasks: [{name: a, module: m.wasm, args: '${i}'}] | 1:41 | 'i' is known only
      tasks: [{name: a, module: m.wasm, count: 2, args: '${1/(i-1)}'}] | 1:51 | cannot be computed
      tasks: [{name: a, module: m.wasm, args: '${9223372036854775807+1}'}] | 1:41 | overflow
      tasks: [{name: a, module: m.wasm, args: '${99999999999999999999}'}] | 1:41 | too large
      tasks: [{name: a, module: m.wasm, args: '${1'}] | 1:41 | without '}'
      tasks: [{name: a, module: m.wasm, args: '${1+}'}] | 1:41 | missing at its end
      tasks: [{name: a, module: m.wasm, args: '${x}'}] | 1:41 | 'x' is not expected
      tasks: [{name: a, module: m.wasm, after: ['a:0']}] | 1:43 | names no task
      tasks: [{name: a, module: m.wasm, name: b}] | 1:35 | written twice
      tasks: [{name: a, module: m.wasm}, {name: a, module: m.wasm}] | 1:43 | two tasks 'a'
      tasks: [{name: a, module: m.wasm}, {name: b, kind: a, module: m.wasm, gas_limit: 3}] | 1:52 | differ in module, program or limits
      tasks: [{name: a, module: m.wasm, program: p.sh}] | 1:44 | has a 'program' or a 'module', not both
      tasks: [{name: a, module: m.wasm, compare: exact}] | 1:44 | 'compare' is for native tasks
      tasks: [{name: a, program: m.wasm}] | 1:28 | is no program for Linux
      tasks: [{name: a, program: p.sh, gas_limit: 3}] | 1:45 | native tasks are not metered
      tasks: [{name: a, program: p.sh, platform: amiga}] | 1:44 | no provider runs programs for 'amiga'
      tasks: [{name: a, program: p.sh, compare: nearly}] | 1:43 | 'nearly' is no way to compare results
      tasks: [{name: a, program: p.sh, compare: {}}] | 1:43 | names 0 ways to compare results
      tasks: [{name: a, program: p.sh, compare: {numeric: {relative: 2}}}] | 1:64 | 'relative' is out of range
      tasks: [{name: a, module: m.wasm, count: 3}, {name: b, module: m.wasm, inputs: ['a:0']}] | 1:81 | write a[0]:0 for one or a[*]:0 for all
      tasks: [{name: a, module: m.wasm, count: 3}, {name: b, module: m.wasm, inputs: ['a[3]:0']}] | 1:81 | goes beyond
      tasks: [{name: a, module: m.wasm, count: 3}, {name: b, module: m.wasm, inputs: ['a[2..1]:0']}] | 1:81 | empty
      tasks: [{name: a, module: m.wasm, count: 200000}, {name: b, module: m.wasm}] | 1:58 | more than 200000 tasks
      tasks: [{name: a, module: m.wasm, count: 5000}, {name: b, module: m.wasm, inputs: ['a[*]:0']}] | 1:84 | more than 4096
      results: ['x']                           | 1:11 | names no output
      results: ['x:0']                         | 1:11 | there is no task 'x'
      """;

  @TempDir Path folder;

  @BeforeEach
  void files() throws IOException {
    Files.copy(Path.of("../examples/modules/empty.wasm"), folder.resolve("m.wasm"));
    Files.writeString(folder.resolve("p.sh"), "#!/bin/sh\n");
    Files.writeString(folder.resolve("data.txt"), "data");
    Files.writeString(folder.resolve("zero"), "");
  }

  private JobPlan read(String text) throws BadInput {
    return JobReader.read(folder.resolve("job.yaml"), text, Map.of(), LocalFiles.Stored.NONE);
  }

  private String refusal(String text) {
    try {
      read(text);
    } catch (BadInput e) {
      return String.valueOf(e.getMessage()).replace(folder + "/", "");
    }
    throw new AssertionError("accepted: " + text);
  }

  @Test
  void aWholeJob() throws Exception {
    JobPlan plan =
        read(
            """
            name: whole
            budget_microcredits: 5000000
            priority: -3
            thrift_s_per_credit: 0.5
            thrift_s_per_kwh: 7
            thrift_s_per_kg_co2: 1
            copies_percent: 25
            scheduler: dynamic_heft
            deadline_s: 90
            defaults: {gas_limit: 7, memory_mib: 2, wall_limit_ms: 5, output_mib: 1, max_attempts: 2}
            tasks:
              - name: split
                module: m.wasm
                args: 200
                inputs: [data.txt, zero]
                outputs: 4
              - name: align
                count: 4
                kind: slow
                module: m.wasm
                args: "part ${i} of $${x} ${(i+1)*2-7/2%2}"
                inputs: ["data.txt", "split:${i}"]
                gas_limit: 9
              - name: merge
                count: 2
                module: m.wasm
                inputs: ["align[${i*2}..${i*2+1}]:0"]
                after: ["split", "align[*]"]
              - {name: all, module: m.wasm, inputs: ["merge[*]:0"], outputs: 0}
            results: ["merge[1]:0", "split:3"]
            """);

    assertThat(plan.name()).isEqualTo("whole");
    assertThat(plan.priority()).isEqualTo(-3);
    assertThat(plan.urgency().thrift()).isEqualTo(new Thrift(500, 7_000, 1_000));
    assertThat(plan.urgency().deadlineMs()).isEqualTo(90_000);
    assertThat(plan.urgency().copiesPercent()).isEqualTo(25);
    assertThat(plan.urgency().scheduling()).isEqualTo(Scheduling.DYNAMIC_HEFT);
    assertThat(plan.budget()).isEqualTo(5_000_000);
    assertThat(plan.kinds())
        .extracting(k -> k.name())
        .containsExactly("split", "slow", "merge", "all");
    assertThat(plan.kinds()).extracting(k -> k.gasLimit()).containsExactly(7L, 9L, 7L, 7L);
    assertThat(plan.kinds().getFirst().memoryBytes()).isEqualTo(2 << 20);
    assertThat(plan.kinds().getFirst().outputBytesLimit()).isEqualTo(1 << 20);
    assertThat(plan.kinds().getFirst().wallLimitMs()).isEqualTo(5);
    assertThat(plan.kinds().getFirst().maxAttempts()).isEqualTo(2);
    assertThat(plan.tasks()).hasSize(8);
    Blob data = new Blob(Hash.sha256("data".getBytes()), 4);
    assertThat(plan.tasks().getFirst().inputs())
        .containsExactly(new Input.Stored(data), new Input.Stored(Blob.EMPTY));
    assertThat(plan.tasks().getFirst().args()).isEqualTo("200");
    TaskSpec second = plan.tasks().get(2);
    assertThat(second.ownName()).isEqualTo("align[1]");
    assertThat(second.args()).isEqualTo("part 1 of ${x} 3");
    assertThat(second.inputs()).containsExactly(new Input.Stored(data), new Input.Produced(0, 1));
    assertThat(plan.tasks().get(6).inputs())
        .containsExactly(new Input.Produced(3, 0), new Input.Produced(4, 0));
    assertThat(plan.tasks().get(6).after()).containsExactly(0, 1, 2, 3, 4);
    assertThat(plan.tasks().get(6).ownName()).isNull();
    assertThat(plan.spec(dev.perseid.core.Address.ZERO, 1).taskName(6)).isEqualTo("merge[1]");
    assertThat(plan.results()).containsExactly(new Input.Produced(6, 0), new Input.Produced(0, 3));
    // The module and the data, each once; the empty file is never uploaded.
    assertThat(plan.uploads()).extracting(u -> u.blob().sizeBytes()).hasSize(2).contains(4L);
  }

  @Test
  void aProgramIsANativeTask() throws Exception {
    JobPlan plan =
        read(
            """
            name: n
            budget_microcredits: 1
            tasks:
              - {name: a, program: p.sh, compare: {numeric: {relative: 1e-6, absolute: 0.5}}, cores: 3}
              - {name: b, program: p.sh, compare: {module: m.wasm}, platform: linux-aarch64}
              - {name: c, program: p.sh, compare: lines, memory_mib: 8192}
              - {name: d, program: p.sh, gpus: 2, gpu_memory_mib: 16000}
              - {name: e, module: m.wasm}
            """);
    assertThat(plan.kinds())
        .extracting(TaskKind::form)
        .containsExactly(
            new Form.Native(Platform.LINUX_X86_64, new Comparison.Numeric(1e-6, 0.5)),
            new Form.Native(
                Platform.LINUX_AARCH64, new Comparison.Module(plan.kinds().get(4).module())),
            new Form.Native(Platform.LINUX_X86_64, new Comparison.Lines()),
            new Form.Native(
                Platform.LINUX_X86_64, new Comparison.Exact(), new Gpus(2, 16_000L << 20)),
            new Form.Portable());
    assertThat(plan.kinds()).extracting(TaskKind::cores).containsExactly(3, 1, 1, 1, 1);
    assertThat(plan.kinds().subList(0, 4)).extracting(TaskKind::gasLimit).containsOnly(0L);
    assertThat(plan.uploads()).as("the program and the module").hasSize(2);
  }

  @Test
  void jsonIsAJobFileToo() throws Exception {
    JobPlan plan =
        read(
            """
            {"name": "j", "budget_microcredits": 1,
            \t"tasks": [{"name": "a", "module": "m.wasm"}]}
            """);
    assertThat(plan.tasks()).hasSize(1);
  }

  @Test
  void aStoredBlobIsAskedFor() throws Exception {
    String hex = "ab".repeat(32);
    String text =
        "{name: j, budget_microcredits: 1, tasks: [{name: a, module: m.wasm, inputs: ['sha256:"
            + hex
            + "']}]}";
    JobPlan plan =
        JobReader.read(folder.resolve("job.yaml"), text, Map.of(), hash -> OptionalLong.of(12));
    assertThat(plan.tasks().getFirst().inputs())
        .containsExactly(new Input.Stored(new Blob(Hash.parse(hex), 12)));
    assertThat(refusal(text)).contains("the pool has no blob sha256:" + hex);
  }

  @Test
  void aFileMayBeReplaced() throws Exception {
    Path other = Files.writeString(folder.resolve("other"), "other!");
    JobPlan plan =
        JobReader.read(
            folder.resolve("job.yaml"),
            "{name: j, budget_microcredits: 1, tasks: [{name: a, module: m.wasm, inputs: [gone]}]}",
            Map.of("gone", other),
            LocalFiles.Stored.NONE);
    assertThat(plan.tasks().getFirst().inputs())
        .containsExactly(new Input.Stored(new Blob(Hash.sha256("other!".getBytes()), 6)));
  }

  static Stream<Arguments> wrongLines() {
    return WRONG_LINES.lines().map(line -> Arguments.of((Object[]) line.split(" +\\| ", 3)));
  }

  /// One line of a job each, with the message's place and a part of it.
  @ParameterizedTest
  @MethodSource("wrongLines")
  void whatIsWrongIsSaidWithItsPlace(String line, String place, String part) {
    // The line under test stands first; keys that it does not write follow, so that it is the only
    // thing that is wrong.
    StringBuilder text = new StringBuilder(line).append('\n');
    Map<String, String> rest =
        new java.util.TreeMap<>(
            Map.of(
                "name", "x",
                "budget_microcredits", "1",
                "tasks", "[{name: zz, module: m.wasm}]"));
    rest.forEach((key, value) -> {
      if (!line.startsWith(key)) {
        text.append(key).append(": ").append(value).append('\n');
      }
    });
    assertThat(refusal(text.toString())).startsWith("job.yaml:" + place + ": ").contains(part);
  }

  @Test
  void cyclesAreNamed() {
    assertThat(
            refusal(
                """
                name: x
                budget_microcredits: 1
                tasks:
                  - {name: a, module: m.wasm, inputs: ["c:0"]}
                  - {name: b, module: m.wasm, inputs: ["a:0"]}
                  - {name: c, module: m.wasm, after: ["b"]}
                """))
        .isEqualTo(
            "job.yaml:4:12: tasks wait for each other in a circle: a -> c -> b -> a; "
                + "remove one of these inputs or 'after'");
  }

  @Test
  void aLongChainIsNoCycle() throws Exception {
    JobPlan plan =
        read(
            """
            name: x
            budget_microcredits: 1
            tasks:
              - {name: first, module: m.wasm}
              - {name: a, count: 50000, module: m.wasm, after: ["first"]}
              - {name: b, count: 50000, module: m.wasm, inputs: ["a[${49999-i}]:0"]}
            """);
    assertThat(plan.tasks()).hasSize(100_001);
    List<TaskSpec> chain = new java.util.ArrayList<>();
    for (int i = 0; i < 200_000; i++) {
      chain.add(
          new TaskSpec("t" + i, 0, -1, "", List.of(), i == 0 ? List.of() : List.of(i - 1), 0));
    }
    assertThat(JobExpansion.cycle(chain)).isEmpty();
    chain.set(0, new TaskSpec("t0", 0, -1, "", List.of(), List.of(199_999), 0));
    assertThat(JobExpansion.cycle(chain).orElseThrow()).hasSize(200_000);
  }

  @Test
  void edgesAreBoundedBeforeTheyAreMade() {
    assertThat(
            refusal(
                """
                name: x
                budget_microcredits: 1
                tasks:
                  - {name: a, count: 4000, module: m.wasm}
                  - {name: b, count: 4000, module: m.wasm, inputs: ["a[*]:0"]}
                """))
        .contains("more than 2000000 dependencies");
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      nullValues = "NONE",
      textBlock =
          """
          '[1, 2'           | 1:
          'a: b: c'         | 1:5
          '"'               | 1:
          '- x'             | 1:1
          'x'               | 1:1
          '&a [*a]'         | 1:1
          '%YAML 9.9'       | 1:
          """)
  void whatIsNoMappingIsRefused(String text, String place) {
    assertThat(refusal(text)).startsWith("job.yaml:" + place);
  }

  @Test
  void emptyAndMissingFiles() {
    assertThat(refusal("")).startsWith("job.yaml:1:1: the file is empty");
    assertThatThrownBy(
            () -> JobReader.read(folder.resolve("none.yaml"), Map.of(), LocalFiles.Stored.NONE))
        .hasMessageContaining("there is no file");
    assertThatThrownBy(() -> JobReader.read(folder, Map.of(), LocalFiles.Stored.NONE))
        .hasMessageContaining("is a folder");
  }

  @Test
  void garbageIsRefusedAndNeverCrashes() {
    long seed = 20_261_123;
    java.util.Random random = new java.util.Random(seed);
    String good =
        """
        name: x
        budget_microcredits: 1
        tasks:
          - {name: a, count: 3, module: m.wasm, args: "${i*2}"}
          - {name: b, module: m.wasm, inputs: ["a[0..1]:0"], after: ["a[*]"]}
        results: ["b:0"]
        """;
    for (int round = 0; round < 2_000; round++) {
      StringBuilder text = new StringBuilder(good);
      for (int change = 0; change <= random.nextInt(4); change++) {
        int at = random.nextInt(text.length());
        switch (random.nextInt(3)) {
          case 0 -> text.deleteCharAt(at);
          case 1 -> text.insert(at, (char) (32 + random.nextInt(95)));
          default -> text.setCharAt(at, (char) (32 + random.nextInt(95)));
        }
      }
      try {
        read(text.toString());
      } catch (BadInput e) {
        assertThat(e)
            .as("seed %d round %d: %s", seed, round, text)
            .hasMessageContaining("job.yaml:");
      } catch (RuntimeException | StackOverflowError e) {
        throw new AssertionError("seed " + seed + " round " + round + ": " + text, e);
      }
    }
  }
}
