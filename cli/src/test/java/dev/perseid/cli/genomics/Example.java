package dev.perseid.cli.genomics;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.cli.genomics.GenomicsJob.FileInput;
import dev.perseid.cli.genomics.GenomicsJob.GenomicsTask;
import dev.perseid.cli.genomics.GenomicsJob.OutputOf;
import dev.perseid.sandbox.Execution;
import dev.perseid.sandbox.Input;
import dev.perseid.sandbox.Output;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import dev.perseid.sandbox.Verdict;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CompletableFuture;

/// The folder `examples/genomics`, and its committed modules in a sandbox as a provider runs them.
final class Example implements AutoCloseable {
  static final Path FOLDER = Path.of("..", "examples", "genomics");

  private static final RunLimits LIMITS =
      new RunLimits(GenomicsJob.GAS_LIMIT, (long) GenomicsJob.MEMORY_MIB << 20, 64L << 20, 60_000);
  private static final int INLINE_BYTES = 65_536;

  private final Path scratch;
  private final Sandbox sandbox;
  private long runs;

  /// @param scratch an empty folder for the life of this object
  Example(Path scratch) {
    this.scratch = scratch;
    sandbox = Sandbox.open(SandboxConfig.in(scratch.resolve("sandbox")));
  }

  static String fasta() {
    try {
      return Files.readString(FOLDER.resolve("data/lambda.fa"), StandardCharsets.US_ASCII);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Starts one module.
  CompletableFuture<Execution> start(String module, String args, List<String> inputs, int outputs) {
    try {
      Path file = FOLDER.resolve(module).toAbsolutePath();
      return sandbox.run(
          new Portable(
              runs++,
              "consumer",
              file,
              sha256(Files.readAllBytes(file)),
              args.getBytes(StandardCharsets.UTF_8),
              inputs.stream().map(this::input).toList(),
              outputs,
              LIMITS));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /// Runs every task of the job, as many at once as the sandbox likes.
  ReferenceRun.Results runTasks(String fasta, String fastq) {
    Map<OutputOf, String> outputs = new HashMap<>();
    Map<String, String> files = Map.of("data/lambda.fa", fasta, "data/reads.fq", fastq);
    Map<GenomicsTask, CompletableFuture<Execution>> running = new LinkedHashMap<>();
    for (GenomicsTask task : GenomicsJob.tasks("data/reads.fq")) {
      for (GenomicsJob.Input input : task.inputs()) {
        if (input instanceof OutputOf output && !outputs.containsKey(output)) {
          finish(running, outputs);
        }
      }
      List<String> inputs =
          task.inputs().stream()
              .map(input ->
                  switch (input) {
                    case FileInput(String path) -> files.get(path);
                    case OutputOf output -> outputs.get(output);
                  })
              .toList();
      assertThat(inputs).as("inputs of %s", task.name()).doesNotContainNull();
      running.put(task, start(task.module(), task.args(), inputs, task.outputs()));
    }
    finish(running, outputs);
    List<String> texts = GenomicsJob.results().stream().map(outputs::get).toList();
    return new ReferenceRun.Results(
        texts.get(0), texts.get(1), texts.get(2), texts.get(3), texts.get(4));
  }

  private static void finish(
      Map<GenomicsTask, CompletableFuture<Execution>> running, Map<OutputOf, String> outputs) {
    running.forEach((task, future) -> {
      Execution execution = future.join();
      assertThat(execution.verdict())
          .as("%s said: %s", task.name(), execution.log())
          .isEqualTo(new Verdict.Done());
      for (int i = 0; i < execution.outputs().size(); i++) {
        outputs.put(new OutputOf(task.name(), i), text(execution.outputs().get(i)));
      }
    });
    running.clear();
  }

  private Input input(String text) {
    byte[] bytes = text.getBytes(StandardCharsets.US_ASCII);
    if (bytes.length <= INLINE_BYTES) {
      return new Input.Inline(bytes);
    }
    try {
      Path file = Files.createTempFile(scratch, "input", "");
      return new Input.File(Files.write(file, bytes), bytes.length);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static String text(Output output) {
    try {
      return switch (output) {
        case Output.Inline inline -> new String(inline.bytes(), StandardCharsets.US_ASCII);
        case Output.File file -> Files.readString(file.path(), StandardCharsets.US_ASCII);
      };
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static byte[] sha256(byte[] bytes) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(bytes);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  @Override
  public void close() {
    sandbox.close();
  }
}
