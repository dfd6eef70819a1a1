package dev.perseid.core;

import static org.assertj.core.api.Assertions.assertThat;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

class JobCheckTest {
  private static final TaskKind WORK = Sample.kind("work");

  private static JobSpec tasks(TaskSpec... tasks) {
    return Sample.job(1, List.of(tasks));
  }

  private static JobSpec kind(TaskKind... kinds) {
    return Sample.job(1, 0, 100, List.of(kinds), List.of(Sample.task(0)));
  }

  private static TaskSpec named(String name) {
    return new TaskSpec(name, 0, -1, "", List.of(), List.of(), 1);
  }

  private static JobSpec head(Address consumer, String name, int priority, long budget) {
    return new JobSpec(
        consumer, 1, name, priority, budget, List.of(WORK), List.of(Sample.task(0)), List.of());
  }

  private static JobSpec results(Input.Produced result) {
    return new JobSpec(
        Sample.ALICE, 1, "j", 0, 1, List.of(WORK), List.of(Sample.task(0)), List.of(result));
  }

  static Stream<Arguments> badJobs() {
    Blob none = Sample.blob(1);
    return Stream.of(
        Arguments.of(
            new JobSpec(Sample.ALICE, 1, "j", 0, 1, List.of(WORK), List.of(), List.of()),
            "no tasks: give it at least one"),
        Arguments.of(
            new JobSpec(
                Sample.ALICE,
                1,
                "j",
                0,
                1,
                List.of(WORK),
                Collections.nCopies(1_000_000, Sample.task(0)),
                List.of()),
            "1000000 tasks, at most 200000"),
        Arguments.of(head(Address.ZERO, "j", 0, 1), "zero address"),
        Arguments.of(head(Sample.ALICE, "", 0, 1), "one line of 1 to 128"),
        Arguments.of(head(Sample.ALICE, "a\nb", 0, 1), "one line of 1 to 128"),
        Arguments.of(head(Sample.ALICE, "j", 101, 1), "-100 (last) to 100 (first)"),
        Arguments.of(head(Sample.ALICE, "j", 0, 0), "budget 0 is out of range"),
        Arguments.of(head(Sample.ALICE, "j", 0, -5), "budget -5 is out of range"),
        Arguments.of(head(Sample.ALICE, "j", 0, Long.MAX_VALUE), "out of range"),
        Arguments.of(kind(), "0 kinds"),
        Arguments.of(kind(Sample.kind("a b")), "'a b': use 1 to 64 characters of A-Z"),
        Arguments.of(kind(WORK, WORK), "two kinds are named 'work'"),
        Arguments.of(kind(Sample.kind("w", 0, 1)), "the number of cores is 0: write 1 to 1024"),
        Arguments.of(kind(Sample.kind("w", 1, 0)), "the memory in bytes is 0"),
        Arguments.of(kind(new TaskKind("w", none, 0, 1, 1, 1, 1, 1)), "the gas limit is 0"),
        Arguments.of(kind(new TaskKind("w", none, 1, 1, -1, 1, 1, 1)), "output bytes is -1"),
        Arguments.of(kind(new TaskKind("w", none, 1, 1, 1, 0, 1, 1)), "wall limit in ms is 0"),
        Arguments.of(kind(new TaskKind("w", none, 1, 1, 1, 1, 1, 11)), "attempts is 11"),
        Arguments.of(
            kind(new TaskKind("w", Blob.EMPTY, 1, 1, 1, 1, 1, 1)), "module's size in bytes is 0"),
        Arguments.of(tasks(Sample.taskOf(1, 0)), "of kind number 1, but the job has only kinds 0"),
        Arguments.of(tasks(Sample.taskOf(-1, 0)), "of kind number -1"),
        Arguments.of(tasks(Sample.task(-2)), "is copy -2"),
        Arguments.of(tasks(named("")), "has the name ''"),
        Arguments.of(tasks(named("x".repeat(129))), "one line of 1 to 128"),
        Arguments.of(tasks(named("\uD800")), "has the name '?'"),
        Arguments.of(tasks(named("a"), named("a")), "two tasks are named 'a' (the second is task"),
        Arguments.of(tasks(named("work[1]"), Sample.task(1)), "two tasks are named 'work[1]'"),
        Arguments.of(
            tasks(new TaskSpec(null, 0, 0, "x".repeat(4_097), List.of(), List.of(), 0)),
            "4097 characters, at most 4096"),
        Arguments.of(
            tasks(new TaskSpec(null, 0, 0, "\uDC00", List.of(), List.of(), 1)),
            "not valid Unicode"),
        Arguments.of(
            tasks(new TaskSpec(null, 0, 0, "", List.of(), List.of(), 5_000)),
            "5000 outputs are declared"),
        Arguments.of(
            tasks(
                new TaskSpec(
                    null,
                    0,
                    0,
                    "",
                    Collections.nCopies(4_097, new Input.Stored(none)),
                    List.of(),
                    1)),
            "4097 inputs are too many"),
        Arguments.of(
            tasks(Sample.task(0, new Input.Stored(new Blob(Hash.ZERO, -1)))),
            "the size of input 0 in bytes is -1"),
        Arguments.of(
            tasks(Sample.task(0, new Input.Produced(0, 0))),
            "task 'work[0]': input 0 comes from itself"),
        Arguments.of(
            tasks(Sample.task(0, new Input.Produced(3, 0))),
            "input 0 comes from task number 3, which does not exist: write 0 to 0"),
        Arguments.of(
            tasks(Sample.task(0, new Input.Produced(-1, 0))), "task number -1, which does not"),
        Arguments.of(
            tasks(Sample.task(0), Sample.task(1, new Input.Produced(0, 1))),
            "input 0 is output 1 of task 'work[0]', which declares 1"),
        Arguments.of(tasks(Sample.taskAfter(0, 0)), "it waits for itself: remove that"),
        Arguments.of(tasks(Sample.taskAfter(0, 9)), "it waits for task number 9"),
        Arguments.of(
            tasks(Sample.taskAfter(0, 2), Sample.taskAfter(1, 0), Sample.taskAfter(2, 1)),
            "in a cycle: 'work[0]' -> 'work[1]' -> 'work[2]' -> 'work[0]': remove one"),
        Arguments.of(results(new Input.Produced(1, 0)), "result 0 comes from task number 1"),
        Arguments.of(results(new Input.Produced(0, 1)), "result 0 is output 1 of task 'work[0]'"));
  }

  @ParameterizedTest
  @MethodSource("badJobs")
  void saysWhatIsWrongAndWhatToWrite(JobSpec spec, String expected) {
    assertThat(JobCheck.problem(spec)).hasValueSatisfying(p -> assertThat(p).contains(expected));
  }

  @Test
  void countsEdgesOutputsAndBytesOfTheWholeJob() {
    List<Integer> everyone = new ArrayList<>();
    for (int i = 0; i < 3_000; i++) {
      everyone.add(i);
    }
    List<TaskSpec> wide = new ArrayList<>();
    for (int i = 0; i < 4_000; i++) {
      wide.add(new TaskSpec(null, 0, i, "", List.of(), i < 3_000 ? List.of() : everyone, 1));
    }
    assertThat(JobCheck.problem(Sample.job(1, wide)))
        .hasValueSatisfying(p -> assertThat(p).contains("3000000 inputs and edges"));

    List<TaskSpec> loud = new ArrayList<>();
    List<TaskSpec> wordy = new ArrayList<>();
    for (int i = 0; i < 20_000; i++) {
      loud.add(new TaskSpec(null, 0, i, "", List.of(), List.of(), 4_096));
      wordy.add(new TaskSpec(null, 0, i, "x".repeat(4_096), List.of(), List.of(), 1));
    }
    assertThat(JobCheck.problem(Sample.job(1, loud)))
        .hasValueSatisfying(p -> assertThat(p).contains("81920000 outputs"));
    assertThat(JobCheck.problem(Sample.job(1, wordy)))
        .hasValueSatisfying(p -> assertThat(p).contains("pass long arguments as stored blobs"));
  }

  @Test
  void aLongCycleIsShownInPart() {
    List<TaskSpec> ring = new ArrayList<>();
    for (int i = 0; i < 200_000; i++) {
      ring.add(Sample.taskAfter(i, (i + 199_999) % 200_000));
    }
    assertThat(JobCheck.problem(Sample.job(1, ring)))
        .hasValueSatisfying(p ->
            assertThat(p)
                .startsWith("the tasks wait for each other in a cycle: 'work[0]' -> 'work[1]'")
                .contains("-> ... 199992 more")
                .hasSizeLessThan(300));
  }

  @Test
  void goodJobsHaveNoProblem() {
    assertThat(JobCheck.problem(Sample.job(1, 200_000))).isEmpty();
    for (long seed = 0; seed < 200; seed++) {
      JobSpec job = Sample.randomJob(new Random(seed), Sample.ALICE, seed);
      assertThat(JobCheck.problem(job)).as("seed %d", seed).isEmpty();
    }
  }
}
