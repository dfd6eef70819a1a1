package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Blob;
import dev.perseid.core.Comparison;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Form;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.Report;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Verification;
import dev.perseid.sandbox.Natives;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.Proto;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Native programs on real providers, which never do the same twice.
@Timeout(120)
final class NativeTasksTest {
  private static final Path EXAMPLES = Path.of("../examples/native");

  @TempDir Path folder;
  private final Key key = Key.generate();
  private PoolNode pool;
  private Shopper shopper;
  private final List<ProviderNode> nodes = new ArrayList<>();

  @BeforeEach
  void open() throws Exception {
    pool = PoolNode.start(PoolConfig.usual(folder.resolve("pool"), key).withTimes(200, 2_000));
    shopper = new Shopper(pool.port(), key, false);
  }

  @AfterEach
  void close() throws Exception {
    nodes.forEach(ProviderNode::close);
    shopper.close();
    pool.close();
  }

  private ProviderNode provider(String name, boolean natives) throws Exception {
    ProviderConfig config =
        ProviderChild.config(
            Key.generate(), pool.port(), key.address(), folder.resolve(name), name);
    ProviderNode node = ProviderNode.start(natives ? config.withNatives() : config, _ -> {});
    nodes.add(node);
    return node;
  }

  private TaskKind kind(String name, byte[] program, Comparison comparison) throws Exception {
    return new TaskKind(
        name,
        shopper.store(program),
        0,
        64L << 20,
        1L << 20,
        60_000,
        1,
        5,
        new Form.Native(Natives.platform().orElseThrow(), comparison));
  }

  private static byte[] script(String body) {
    return ("#!/bin/sh\n" + body + "\n").getBytes(StandardCharsets.UTF_8);
  }

  @Test
  void resultsThatAreAlikeCountThoughTheyDiffer() throws Exception {
    provider("plain", false);
    provider("n1", true);
    provider("n2", true);
    Blob sameSize = shopper.store(Files.readAllBytes(EXAMPLES.resolve("same_size.wasm")));
    List<TaskKind> kinds =
        List.of(
            kind(
                "near",
                Files.readAllBytes(EXAMPLES.resolve("estimate.sh")),
                new Comparison.Numeric(0.05, 0)),
            kind("lines", script("seq 50 | shuf > /out/0"), new Comparison.Lines()),
            kind(
                "said",
                script("head -c 40 /dev/urandom > /out/0"),
                new Comparison.Module(sameSize)),
            kind("same", script("cat /in/* > /out/0"), new Comparison.Exact()));
    List<TaskSpec> tasks =
        List.of(
            Shopper.task(0, -1, "50000", List.of(), 1),
            Shopper.task(1, -1, "", List.of(), 1),
            Shopper.task(2, -1, "", List.of(), 1),
            Shopper.task(
                3,
                -1,
                "",
                List.of(
                    new Input.Produced(0, 0), new Input.Produced(1, 0), new Input.Produced(2, 0)),
                1));
    JobId job =
        shopper.submit(
            kinds, tasks, List.of(new Input.Produced(3, 0)), new Verification.Replicate(2));
    Proto.JobProgress end = shopper.end(job);
    assertThat(end.getState()).as(end.getReason()).isEqualTo("done");
    assertThat(end.getResults().getAgreed()).isEqualTo(4);
    assertThat(new String(shopper.result(job, 0), StandardCharsets.ISO_8859_1))
        .startsWith("pi is about 3.");
    List<ExecutionRecord> records = shopper.records(job).stream().map(Entry::record).toList();
    assertThat(records)
        .hasSize(8)
        .allMatch(r -> r.engine().equals(Report.NATIVE) && r.isolation().equals("bubblewrap"))
        .allMatch(r -> !r.isReplayable() && r.usage().gas().isEmpty() && r.charge() > 0)
        .noneMatch(r -> r.provider().equals(nodes.getFirst().address()));
    assertThat(
            records.stream()
                .filter(r -> r.kind().equals("said"))
                .map(ExecutionRecord::outputs)
                .distinct())
        .as("they differ")
        .hasSize(2);
  }

  @Test
  void aProgramThatFailsEverywhereFails() throws Exception {
    provider("n1", true);
    provider("n2", true);
    JobId job =
        shopper.submit(
            List.of(
                kind("bad", script("echo 'no such thing' >&2; exit 4"), new Comparison.Exact())),
            List.of(Shopper.task(0, -1, "", List.of(), 1)),
            List.of(),
            Verification.usual());
    Proto.JobProgress end = shopper.end(job);
    assertThat(end.getState()).isEqualTo("failed");
    assertThat(end.getReason())
        .contains("2 providers agree", "it ended with exit code 4, and said: no such thing");
    assertThat(shopper.records(job))
        .extracting(e -> e.record().outcome())
        .containsOnly(Outcome.TASK_FAILED);
  }

  @Test
  void whatIsNotComparedIsOneWord() throws Exception {
    provider("n1", true);
    JobId job =
        shopper.submit(
            List.of(kind("one", script("date > /out/0"), new Comparison.Exact())),
            List.of(Shopper.task(0, -1, "", List.of(), 1)),
            List.of(new Input.Produced(0, 0)),
            Verification.usual());
    Proto.JobProgress end = shopper.end(job);
    assertThat(end.getState()).as(end.getReason()).isEqualTo("done");
    assertThat(end.getResults().getAlone()).isEqualTo(1);
  }
}
