package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import dev.perseid.core.Address;
import dev.perseid.core.Blob;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.FromProvider;
import dev.perseid.core.Hash;
import dev.perseid.core.JobId;
import dev.perseid.core.Lease;
import dev.perseid.core.Outcome;
import dev.perseid.core.Price;
import dev.perseid.core.Rejection;
import dev.perseid.core.Report;
import dev.perseid.core.TaskKind;
import dev.perseid.core.ToProvider;
import dev.perseid.journal.Merkle;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import dev.perseid.wire.v1.Proto;
import io.grpc.Status;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// The provider's process over real gRPC and the real sandbox, against a pool that follows a
/// script.
@Timeout(60)
final class ProviderNodeTest {
  private static final long MIB = 1 << 20;
  private static final Path EMPTY = Path.of("../examples/modules/empty.wasm");
  private static final Address CONSUMER = Address.parse("0x" + "33".repeat(20));

  @TempDir Path folder;
  private ScriptedPool pool;
  private final Key key = Key.generate();
  private final List<String> notices = new CopyOnWriteArrayList<>();
  private final List<ProviderNode> nodes = new ArrayList<>();

  @BeforeEach
  void open() throws Exception {
    pool = new ScriptedPool();
  }

  @AfterEach
  void close() {
    nodes.forEach(ProviderNode::close);
    pool.close();
  }

  private ProviderConfig config() {
    return ProviderConfig.of(
            key,
            ProviderConfig.PoolAt.of("127.0.0.1", pool.port(), pool.key.address()),
            folder.resolve("p"))
        .with(new ProviderConfig.Lent(2, 64 * MIB, 64 * MIB, 1))
        .unmeasured()
        .isolationPreferred();
  }

  private ProviderNode start() throws Exception {
    ProviderNode node = ProviderNode.start(config(), notices::add);
    nodes.add(node);
    return node;
  }

  private FromProvider.Hello welcome() throws InterruptedException {
    FromProvider.Hello hello = (FromProvider.Hello) pool.next();
    pool.send(new ToProvider.Welcome(pool.logins.get(), 500, 5_000));
    return hello;
  }

  /// Puts a module where the provider finds it in its cache.
  private Blob cached() throws IOException {
    byte[] bytes = Files.readAllBytes(EMPTY);
    Hash hash = Hash.sha256(bytes);
    Path dir = folder.resolve("p/blobs/" + hash.hex().substring(0, 2));
    Files.createDirectories(dir);
    Files.write(dir.resolve(hash.hex()), bytes);
    return new Blob(hash, bytes.length);
  }

  private Lease lease(ProviderNode node, long id, Blob module) {
    TaskKind kind = new TaskKind("k", module, 1_000_000, MIB, 0, 10_000, 1, 3);
    return new Lease(
        id,
        JobId.of(CONSUMER, 1),
        (int) id,
        "k",
        CONSUMER,
        node.address(),
        Digests.offer(node.offer()),
        1,
        kind,
        "",
        List.of(),
        List.of(),
        0,
        1,
        2,
        3,
        1_000_000);
  }

  @Test
  void runsLeasesAndSignsWhatItReports() throws Exception {
    Blob module = cached();
    ProviderNode node = start();
    FromProvider.Hello hello = welcome();
    assertThat(hello.offer()).isEqualTo(node.offer());
    assertThat(Key.recover(Digests.offer(hello.offer()), hello.signature()))
        .contains(key.address());
    Lease lease = lease(node, 7, module);
    pool.send(new ToProvider.Leases(List.of(lease)));
    FromProvider.Reports reports = (FromProvider.Reports) pool.next();
    Report report = reports.reports().getFirst();
    assertThat(report.outcome()).as(report.reason()).isEqualTo(Outcome.DONE);
    ExecutionRecord record =
        ExecutionRecord.of(pool.key.address(), lease, report, node.offer().price());
    assertThat(Digests.record(record)).isEqualTo(report.digest());
    assertThat(reports.root())
        .isEqualTo(Merkle.root(List.of(Merkle.leafHash(report.digest().bytes()))));
    assertThat(
            Key.recover(Digests.batch(pool.key.address(), reports.root(), 1), reports.signature()))
        .contains(key.address());
  }

  @Test
  void aCutConnectionLosesNothing() throws Exception {
    Blob module = cached();
    ProviderNode node = start();
    welcome();
    pool.send(new ToProvider.Leases(List.of(lease(node, 1, module))));
    assertThat(((FromProvider.Reports) pool.next()).reports()).hasSize(1);
    pool.cut(); // before it says that the report is durable
    FromProvider.Hello again = welcome();
    assertThat(again.held()).containsExactly(1L);
    FromProvider.Reports resent = (FromProvider.Reports) pool.next();
    assertThat(resent.reports()).extracting(Report::lease).containsExactly(1L);
    pool.send(new ToProvider.Durable(List.of(1L)));
    pool.send(new ToProvider.Leases(List.of(lease(node, 2, module))));
    assertThat(((FromProvider.Reports) pool.next()).reports())
        .extracting(Report::lease)
        .containsExactly(2L);
    assertThat(notices).anyMatch(n -> n.contains("cut by the test"));
  }

  @Test
  void drainsAndSaysGoodbye() throws Exception {
    Blob module = cached();
    ProviderNode node = start();
    welcome();
    pool.send(new ToProvider.Leases(List.of(lease(node, 1, module))));
    pool.next();
    CompletableFuture<Boolean> drained =
        CompletableFuture.supplyAsync(() -> {
          try {
            return node.drain(Duration.ofSeconds(20));
          } catch (InterruptedException e) {
            throw new IllegalStateException(e);
          }
        });
    assertThat(pool.next()).isEqualTo(new FromProvider.Drain());
    assertThat(drained).isNotDone();
    pool.send(new ToProvider.Durable(List.of(1L)));
    assertThat(pool.next()).isEqualTo(new FromProvider.Goodbye("drained"));
    assertThat(drained.get(10, TimeUnit.SECONDS)).isTrue();
  }

  @Test
  void aPoolOfAnotherNameIsRefused() throws Exception {
    pool.claimed = Address.parse("0x" + "99".repeat(20));
    ProviderNode node = start();
    assertThat(node.failure().get(20, TimeUnit.SECONDS))
        .contains("0x9999")
        .contains("expected " + pool.key.address());
  }

  @Test
  void aRefusalForGoodEndsIt() throws Exception {
    ProviderNode node = start();
    pool.next();
    pool.send(
        new ToProvider.Refusal(new Rejection(Rejection.Code.FORBIDDEN, "you are not wanted")));
    assertThat(node.failure().get(20, TimeUnit.SECONDS)).contains("you are not wanted");
  }

  @Test
  void faultsOfThePoolAreOutlived() throws Exception {
    pool.loginFault = Status.UNAVAILABLE.withDescription("starting");
    ProviderNode node = start();
    Until.holds(() -> notices.size() >= 2);
    pool.loginFault = null;
    pool.next();
    pool.send(Proto.ToProvider.getDefaultInstance()); // says nothing
    welcome();
    pool.send(new ToProvider.Refusal(new Rejection(Rejection.Code.OVERLOADED, "come back later")));
    pool.cut();
    welcome();
    assertThat(node.failure()).isNotDone();
    assertThat(notices)
        .anyMatch(n -> n.contains("starting"))
        .anyMatch(n -> n.contains("malformed"))
        .anyMatch(n -> n.contains("come back later"));
  }

  @Test
  void aFolderServesOneProvider() throws Exception {
    start();
    assertThatThrownBy(this::start)
        .isInstanceOf(IOException.class)
        .hasMessageContaining("another provider uses")
        .hasMessageContaining("another folder");
  }

  @Test
  void impossibleSettingsAreRefusedWithWhatToWrite() {
    assertThatThrownBy(() -> new ProviderConfig.PoolAt("192.0.2.1", 80, pool.key.address(), false))
        .hasMessageContaining("tls is false; it must be true");
    assertThatThrownBy(() -> new ProviderConfig.PoolAt("127.0.0.1", 0, Address.ZERO, false))
        .hasMessageContaining("1 to 65535");
    assertThatThrownBy(() -> new ProviderConfig.Terms("a b", "", new Price(0, 0, 0)))
        .hasMessageContaining("name is 'a b'");
    assertThatThrownBy(() -> new ProviderConfig.Terms("a", "", new Price(0, -1, 0)))
        .hasMessageContaining("price");
    assertThatThrownBy(() -> new ProviderConfig.Lent(0, 64 * MIB, 64 * MIB, 1))
        .hasMessageContaining("cores is 0");
  }

  @Test
  void manySmallTasksPassInBatches() throws Exception {
    Blob module = cached();
    ProviderNode node = start();
    welcome();
    int tasks = Integer.getInteger("perseid.test.tasks", 3_000);
    int window = 1_000;
    Set<Long> done = new HashSet<>();
    long next = 1;
    int batches = 0;
    long began = System.nanoTime();
    while (done.size() < tasks) {
      List<Lease> more = new ArrayList<>();
      while (next <= tasks && next - done.size() <= window) {
        more.add(lease(node, next++, module));
      }
      if (!more.isEmpty()) {
        pool.send(new ToProvider.Leases(more));
      }
      FromProvider.Reports r = (FromProvider.Reports) pool.next();
      batches++;
      List<Long> ids = new ArrayList<>();
      for (Report report : r.reports()) {
        assertThat(report.outcome()).as(report.reason()).isEqualTo(Outcome.DONE);
        assertThat(done.add(report.lease())).as("reported once").isTrue();
        ids.add(report.lease());
      }
      pool.send(new ToProvider.Durable(ids));
    }
    double s = (System.nanoTime() - began) / 1e9;
    if (Boolean.getBoolean("perseid.test.print")) {
      System.out.printf("%d tasks in %.2f s: %.0f/s, %d batches%n", tasks, s, tasks / s, batches);
    }
    assertThat(batches).isLessThan(tasks / 4);
  }
}
