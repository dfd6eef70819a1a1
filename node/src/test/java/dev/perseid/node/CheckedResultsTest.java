package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.core.Verification;
import dev.perseid.settle.Key;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.Proto;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Three honest providers that really run tasks, one that gives wrong results, and a pool: over
/// gRPC, with real signatures.
@Timeout(120)
final class CheckedResultsTest {
  private static final Path MODULES = Path.of("../examples/modules");
  private static final int TASKS = 16;

  @TempDir Path folder;
  private final Key key = Key.generate();
  private final Key liarKey = Key.generate();
  private PoolNode pool;
  private Shopper shopper;
  private final List<ProviderNode> nodes = new ArrayList<>();

  @BeforeEach
  void open() throws Exception {
    pool = PoolNode.start(config());
    shopper = new Shopper(pool.port(), key, false);
  }

  @AfterEach
  void close() throws Exception {
    nodes.forEach(ProviderNode::close);
    shopper.close();
    pool.close();
  }

  private PoolConfig config() {
    return new PoolConfig(
        folder.resolve("pool"),
        "127.0.0.1",
        0,
        key,
        AccessTerms.NONE,
        Optional.empty(),
        0,
        1L << 30,
        200,
        2_000,
        Measuring.OFF,
        "test",
        MarketTerms.NONE,
        MoneyTerms.NONE);
  }

  private void honest(int count) throws Exception {
    for (int i = 0; i < count; i++) {
      String name = "honest" + i;
      nodes.add(
          ProviderNode.start(
              ProviderChild.config(
                  Key.generate(), pool.port(), key.address(), folder.resolve(name), name),
              _ -> {}));
    }
  }

  private JobId burn(String args, Verification verification) throws Exception {
    TaskKind kind =
        Shopper.kind("burn", shopper.store(Files.readAllBytes(MODULES.resolve("burn.wasm"))));
    List<TaskSpec> specs = new ArrayList<>();
    List<Input.Produced> results = new ArrayList<>();
    for (int i = 0; i < TASKS; i++) {
      specs.add(Shopper.task(0, i, args, List.of(), 1));
      results.add(new Input.Produced(i, 0));
    }
    return shopper.submit(List.of(kind), specs, results, verification);
  }

  private List<byte[]> results(JobId job) throws Exception {
    List<byte[]> all = new ArrayList<>();
    for (int i = 0; i < TASKS; i++) {
      all.add(shopper.result(job, i));
    }
    return all;
  }

  /// Says of everything that it gives nothing.
  private static Thread lie(PuppetProvider puppet) {
    return Thread.ofVirtual()
        .start(() -> {
          try {
            puppet.work(
                lease -> puppet.report(lease, Outcome.DONE, List.of(Blob.EMPTY)), _ -> false);
          } catch (Exception | AssertionError e) {
            // the stream was closed
          }
        });
  }

  @Test
  void aLiarIsOutvotedUnpaidAndGetsNoMoreWork() throws Exception {
    honest(3);
    String args = "200000 4000";
    JobId plain = burn(args, new Verification.None());
    assertThat(shopper.end(plain).getState()).isEqualTo("done");
    List<byte[]> right = results(plain);

    Address liar = liarKey.address();
    try (PuppetProvider puppet = new PuppetProvider(pool.port(), liarKey, 64, 64L << 30)) {
      puppet.joined();
      JobId job = burn(args, Verification.usual());
      Thread lying = lie(puppet);
      assertThat(shopper.end(job).getState()).isEqualTo("done");
      List<byte[]> got = results(job);
      for (int i = 0; i < TASKS; i++) {
        assertThat(got.get(i)).as("result %d", i).isEqualTo(right.get(i));
      }
      List<Entry> records = shopper.records(job);
      long lies =
          records.stream()
              .map(Entry::record)
              .filter(r -> r.provider().equals(liar) && r.outcome() == Outcome.DONE)
              .count();
      assertThat(lies).as("it was asked, and lied").isPositive();
      assertThat(records).as("whoever was checked was run again").hasSizeGreaterThan(TASKS);
      assertThat(view(liar).getEarned()).as("nothing of it was paid").isZero();
      long charged = shopper.end(job).getCharged();
      long honestly =
          records.stream()
              .map(Entry::record)
              .filter(r -> !r.provider().equals(liar))
              .mapToLong(ExecutionRecord::charge)
              .sum();
      assertThat(charged).as("the others' work was").isEqualTo(honestly);

      JobId next = burn(args, new Verification.None());
      assertThat(shopper.end(next).getState()).isEqualTo("done");
      assertThat(shopper.records(next))
          .as("it gets no more work")
          .noneMatch(e -> e.record().provider().equals(liar));
      lying.interrupt();
    }

    pool.close();
    pool = PoolNode.start(config());
    shopper.close();
    shopper = new Shopper(pool.port(), key, false);
    assertThat(view(liar).getDistrusted()).as("it is remembered").isTrue();
    assertThat(shopper.why(liar).getSentence()).contains("gets no work", "refuted");
  }

  @Test
  void whatALiarWasBelievedRunsAgainWhenItIsFoundOut() throws Exception {
    String args = "200000 4000";
    Address liar = liarKey.address();
    try (PuppetProvider puppet = new PuppetProvider(pool.port(), liarKey, 64, 64L << 30)) {
      puppet.joined();
      Thread lying = lie(puppet);
      JobId believed = burn(args, new Verification.SpotCheck(1));
      Proto.JobProgress end = shopper.end(believed);
      assertThat(end.getState()).isEqualTo("done");
      assertThat(end.getResults().getAlone()).isEqualTo(TASKS);
      long paid = view(liar).getEarned();
      assertThat(paid).isEqualTo(end.getCharged()).isPositive();

      honest(3);
      assertThat(shopper.end(burn(args, new Verification.Replicate(2))).getState())
          .isEqualTo("done");
      assertThat(view(liar).getDistrusted()).isTrue();
      Proto.JobProgress again = shopper.end(believed);
      assertThat(again.getState()).isEqualTo("done");
      assertThat(again.getResults().getReopened()).isEqualTo(1);
      assertThat(again.getResults().getReviewed()).isEqualTo(TASKS);
      assertThat(again.getResults().getReplaced()).isEqualTo(TASKS);
      assertThat(again.getResults().getReversed()).isEqualTo(paid);
      assertThat(view(liar).getEarned()).as("it has nothing of it").isZero();

      JobId plain = burn(args, new Verification.None());
      assertThat(shopper.end(plain).getState()).isEqualTo("done");
      assertThat(results(believed)).containsExactlyElementsOf(results(plain));
      lying.interrupt();
    }
  }

  private Proto.ProviderView view(Address provider) throws Exception {
    for (Proto.ProviderView view : shopper.providers()) {
      if (Translation.read(view.getOffer()).provider().equals(provider)) {
        return view;
      }
    }
    throw new AssertionError("no provider " + provider);
  }
}
