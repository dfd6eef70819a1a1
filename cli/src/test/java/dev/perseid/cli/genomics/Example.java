package dev.perseid.cli.genomics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.cli.genomics.GenomicsJob.FileInput;
import dev.perseid.cli.genomics.GenomicsJob.GenomicsTask;
import dev.perseid.cli.genomics.GenomicsJob.OutputOf;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ConcurrentHashMap;

/// The folder `examples/genomics`, with its committed modules.
final class Example {
  static final Path FOLDER = Path.of("..", "examples", "genomics");
  private static final Map<String, TaskModule> MODULES = new ConcurrentHashMap<>();

  private Example() {}

  static String fasta() {
    try {
      return Files.readString(FOLDER.resolve("data/lambda.fa"), StandardCharsets.US_ASCII);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  static TaskModule module(String file) {
    return MODULES.computeIfAbsent(
        file,
        name -> {
          try {
            return new TaskModule(FOLDER.resolve(name));
          } catch (IOException e) {
            throw new UncheckedIOException(e);
          }
        });
  }

  static byte[] bytes(String text) {
    return text.getBytes(StandardCharsets.US_ASCII);
  }

  /// Runs every task of the job, in order.
  static ReferenceRun.Results runTasks(String fasta, String fastq) {
    Map<OutputOf, byte[]> outputs = new HashMap<>();
    Map<String, byte[]> files =
        Map.of("data/lambda.fa", bytes(fasta), "data/reads.fq", bytes(fastq));
    for (GenomicsTask task : GenomicsJob.tasks("data/reads.fq")) {
      List<byte[]> inputs =
          task.inputs().stream()
              .map(input ->
                  switch (input) {
                    case FileInput(String path) -> files.get(path);
                    case OutputOf output -> outputs.get(output);
                  })
              .toList();
      assertThat(inputs).as("inputs of %s", task.name()).doesNotContainNull();
      TaskModule.Run run = module(task.module()).run(task.args(), inputs, task.outputs());
      assertThat(run.exit()).as("%s said: %s", task.name(), run.log()).isEqualTo(1);
      for (int i = 0; i < run.outputs().size(); i++) {
        outputs.put(new OutputOf(task.name(), i), run.outputs().get(i));
      }
    }
    List<String> texts =
        GenomicsJob.results().stream()
            .map(result -> new String(outputs.get(result), StandardCharsets.US_ASCII))
            .toList();
    return new ReferenceRun.Results(
        texts.get(0), texts.get(1), texts.get(2), texts.get(3), texts.get(4));
  }
}
