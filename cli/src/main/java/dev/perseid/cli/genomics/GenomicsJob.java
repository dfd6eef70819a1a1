package dev.perseid.cli.genomics;

import java.util.ArrayList;
import java.util.List;

/// The genomics job as plain data: the same graph as `examples/genomics/job.yaml`, 225 tasks.
///
/// ```
/// split -> align x 200 -> merge x 10 -> sam ------------------> report
///                               \-> pileup x 10 -> coverage --/ /
///                                         \------> variants ---/
/// ```
public final class GenomicsJob {
  /// Chunks of reads, and so alignment tasks.
  public static final int CHUNKS = 200;

  /// Merges, each of `CHUNKS / MERGES` chunks.
  public static final int MERGES = 10;

  /// Bases of a coverage window.
  public static final int WINDOW_BASES = 1_000;

  /// Gas limit of each task. With 10,000 reads the most that one spends is 720 million.
  public static final long GAS_LIMIT = 4_000_000_000L;

  /// Memory limit of each task, in MiB; the most that one has is 10.
  public static final int MEMORY_MIB = 16;

  private static final int CHUNKS_PER_MERGE = CHUNKS / MERGES;

  private GenomicsJob() {}

  /// What a task reads.
  public sealed interface Input {}

  /// A file, by its path relative to the folder of the example.
  public record FileInput(String path) implements Input {}

  /// An output of another task of the job.
  ///
  /// @param output its index, from 0
  public record OutputOf(String task, int output) implements Input {}

  /// One task.
  ///
  /// @param name unique in the job; `align[7]` is copy 7 of `align`
  /// @param module file of the WASM module, in the folder of the example
  /// @param outputs number of outputs
  public record GenomicsTask(
      String name, String module, String args, List<Input> inputs, int outputs) {
    /// Copies the inputs.
    public GenomicsTask {
      inputs = List.copyOf(inputs);
    }
  }

  /// All tasks, each after those whose outputs it reads.
  ///
  /// @param reads path of the FASTQ, relative to the folder of the example or absolute
  public static List<GenomicsTask> tasks(String reads) {
    Input genome = new FileInput("data/lambda.fa");
    List<GenomicsTask> tasks = new ArrayList<>();
    tasks.add(
        new GenomicsTask(
            "split",
            "split.wasm",
            Integer.toString(CHUNKS),
            List.of(new FileInput(reads)),
            CHUNKS));
    for (int chunk = 0; chunk < CHUNKS; chunk++) {
      tasks.add(
          new GenomicsTask(
              copy("align", chunk),
              "align.wasm",
              "",
              List.of(genome, new OutputOf("split", chunk)),
              1));
    }
    List<Input> merged = new ArrayList<>(List.of(genome));
    List<Input> piledUp = new ArrayList<>(List.of(genome));
    for (int merge = 0; merge < MERGES; merge++) {
      List<Input> chunks = new ArrayList<>();
      for (int i = 0; i < CHUNKS_PER_MERGE; i++) {
        chunks.add(new OutputOf(copy("align", merge * CHUNKS_PER_MERGE + i), 0));
      }
      tasks.add(new GenomicsTask(copy("merge", merge), "merge.wasm", "", chunks, 1));
      merged.add(new OutputOf(copy("merge", merge), 0));
    }
    for (int merge = 0; merge < MERGES; merge++) {
      tasks.add(
          new GenomicsTask(
              copy("pileup", merge),
              "pileup.wasm",
              "",
              List.of(genome, new OutputOf(copy("merge", merge), 0)),
              1));
      piledUp.add(new OutputOf(copy("pileup", merge), 0));
    }
    tasks.add(new GenomicsTask("sam", "merge.wasm", "header", merged, 1));
    tasks.add(
        new GenomicsTask("coverage", "coverage.wasm", Integer.toString(WINDOW_BASES), piledUp, 2));
    tasks.add(new GenomicsTask("variants", "variants.wasm", "", piledUp, 1));
    tasks.add(
        new GenomicsTask(
            "report",
            "report.wasm",
            "",
            List.of(
                new OutputOf("sam", 0), new OutputOf("coverage", 1), new OutputOf("variants", 0)),
            1));
    return List.copyOf(tasks);
  }

  /// What the consumer wants back, in the order of [ReferenceRun.Results].
  public static List<OutputOf> results() {
    return List.of(
        new OutputOf("sam", 0),
        new OutputOf("coverage", 0),
        new OutputOf("coverage", 1),
        new OutputOf("variants", 0),
        new OutputOf("report", 0));
  }

  private static String copy(String name, int index) {
    return name + "[" + index + "]";
  }
}
