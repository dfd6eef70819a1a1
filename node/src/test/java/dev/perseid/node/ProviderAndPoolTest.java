package dev.perseid.node;

import static org.assertj.core.api.Assertions.assertThat;

import dev.perseid.core.Blob;
import dev.perseid.core.Entry;
import dev.perseid.core.Hash;
import dev.perseid.core.Input;
import dev.perseid.core.JobId;
import dev.perseid.core.Outcome;
import dev.perseid.core.Report;
import dev.perseid.core.TaskKind;
import dev.perseid.core.TaskSpec;
import dev.perseid.settle.Key;
import dev.perseid.settle.NodeCertificate;
import dev.perseid.settle.Tls;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Instant;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.Random;
import java.util.Set;
import java.util.concurrent.CopyOnWriteArrayList;
import java.util.concurrent.TimeUnit;
import java.util.stream.Collectors;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/// Real providers with a real pool on loopback: real jobs, cut connections, killed processes.
@Timeout(120)
final class ProviderAndPoolTest {
  private static final Path MODULES = Path.of("../examples/modules");

  /// Some tens of milliseconds of work.
  private static final String WHILE = "5000000";

  private static final int TASKS = 40;

  @TempDir Path folder;
  private final Key key = Key.generate();
  private PoolNode pool;
  private Shopper shopper;
  private final List<ProviderNode> nodes = new ArrayList<>();
  private final List<Process> children = new ArrayList<>();
  private final List<String> notices = new CopyOnWriteArrayList<>();

  @BeforeEach
  void open() throws Exception {
    pool = PoolNode.start(poolConfig("pool", Optional.empty()));
    shopper = new Shopper(pool.port(), key, false);
  }

  private PoolConfig poolConfig(String name, Optional<Tls> tls) {
    return new PoolConfig(
        folder.resolve(name),
        "127.0.0.1",
        0,
        key,
        AccessTerms.NONE,
        tls,
        0,
        1L << 30,
        200,
        2_000,
        Measuring.OFF,
        "test",
        MarketTerms.NONE,
        MoneyTerms.NONE);
  }

  @AfterEach
  void close() throws Exception {
    for (Process p : children) {
      p.destroyForcibly();
    }
    nodes.forEach(ProviderNode::close);
    shopper.close();
    pool.close();
  }

  private ProviderNode provider(String name, int port) throws Exception {
    ProviderNode node =
        ProviderNode.start(
            ProviderChild.config(Key.generate(), port, key.address(), folder.resolve(name), name),
            notices::add);
    nodes.add(node);
    return node;
  }

  private Process child(String name) {
    Process p = ProviderChild.start(pool.port(), key.address(), folder.resolve(name), name);
    children.add(p);
    return p;
  }

  private Blob module(String name) throws Exception {
    return shopper.store(Files.readAllBytes(MODULES.resolve(name)));
  }

  private JobId burn(int tasks, String args, int outputs) throws Exception {
    TaskKind kind = Shopper.kind("burn", module("burn.wasm"));
    List<TaskSpec> specs = new ArrayList<>();
    for (int i = 0; i < tasks; i++) {
      specs.add(Shopper.task(0, i, args, List.of(), outputs));
    }
    return shopper.submit(List.of(kind), specs, List.of());
  }

  private static long count(List<Entry> entries, Outcome outcome) {
    return entries.stream().filter(e -> e.record().outcome() == outcome).count();
  }

  @Test
  void aGraphOfRealTasksRunsToItsResult() throws Exception {
    provider("p1", pool.port());
    TaskKind burn = Shopper.kind("burn", module("burn.wasm"));
    TaskKind join = Shopper.kind("join", module("burn.wasm"));
    byte[] bytes = new byte[50_000];
    new Random(1).nextBytes(bytes);
    Blob source = shopper.store(bytes);
    List<TaskSpec> tasks = new ArrayList<>();
    List<Input> outputs = new ArrayList<>();
    for (int i = 0; i < 49; i++) {
      tasks.add(Shopper.task(0, i, (1000 + i) + " 2000 0", List.of(new Input.Stored(source)), 2));
      outputs.add(new Input.Produced(i, 0));
      outputs.add(new Input.Produced(i, 1));
    }
    tasks.add(Shopper.task(1, -1, "1 300000", outputs, 1));
    JobId job = shopper.submit(List.of(burn, join), tasks, List.of(new Input.Produced(49, 0)));
    var end = shopper.end(job);
    assertThat(end.getState()).as(end.getReason()).isEqualTo("done");
    assertThat(shopper.result(job, 0)).hasSize(300_000);
    List<Entry> records = shopper.records(job);
    assertThat(records).hasSize(50);
    assertThat(count(records, Outcome.DONE)).as(records.toString()).isEqualTo(50);
    Entry last = records.getLast();
    assertThat(last.record().kind()).isEqualTo("join");
    assertThat(last.record().inputs()).hasSize(98);
    assertThat(last.record().outputs())
        .containsExactly(new Blob(Hash.sha256(shopper.result(job, 0)), 300_000));
    assertThat(last.attestation()).isInstanceOf(Entry.Attestation.Signed.class);
    // The source and the module were fetched once; outputs of tasks that ran here were not.
    long fetched =
        records.stream().mapToLong(e -> e.record().usage().fetchedBytes().orElse(0)).sum();
    assertThat(fetched).isEqualTo(source.sizeBytes() + burn.module().sizeBytes());
  }

  @Test
  void overTlsThePoolMustProveItsKey() throws Exception {
    pool.close();
    shopper.close();
    pool = PoolNode.start(poolConfig("tls", Optional.of(NodeCertificate.make(key, Instant.now()))));
    shopper = new Shopper(pool.port(), key, true);
    ProviderConfig good =
        ProviderChild.config(Key.generate(), pool.port(), key.address(), folder.resolve("p"), "p")
            .with(new ProviderConfig.PoolAt("127.0.0.1", pool.port(), key.address(), true));
    ProviderConfig wrong =
        ProviderChild.config(Key.generate(), pool.port(), key.address(), folder.resolve("q"), "q")
            .with(
                new ProviderConfig.PoolAt(
                    "127.0.0.1", pool.port(), Key.generate().address(), true));
    nodes.add(ProviderNode.start(good, line -> {}));
    nodes.add(ProviderNode.start(wrong, notices::add));
    JobId job = burn(4, "1000 5000", 1);
    var end = shopper.end(job);
    assertThat(end.getState()).as(end.getReason()).isEqualTo("done");
    assertThat(shopper.records(job))
        .hasSize(4)
        .allMatch(e -> e.record().provider().equals(nodes.getFirst().address()));
    Until.holds(() -> !notices.isEmpty());
    assertThat(notices.getFirst()).contains("cannot be reached").contains("expected 0x");
    assertThat(nodes.getLast().status().connected()).isFalse();
  }

  @Test
  void aCancelledJobStopsAtOnce() throws Exception {
    ProviderNode node = provider("p1", pool.port());
    JobId job = burn(20, "900000000000000", 0);
    Until.holds(() -> node.status().load().running() == 2);
    shopper.cancel(job);
    var end = shopper.end(job);
    assertThat(end.getState()).isEqualTo("cancelled");
    ProviderLoop.Load idle = new ProviderLoop.Load(0, 0, 0);
    Until.holds(() -> node.status().load().equals(idle));
    assertThat(shopper.records(job))
        .hasSize(2)
        .allMatch(e -> e.record().outcome() == Outcome.CANCELLED)
        .as("what they used by then is paid")
        .allMatch(e -> e.record().reason().equals(Report.STOPPED) && e.record().charge() > 0);
  }

  @Test
  void cutConnectionsLoseNoResult() throws Exception {
    try (LoopbackProxy proxy = new LoopbackProxy(pool.port())) {
      provider("p1", proxy.port());
      JobId job = burn(TASKS, WHILE + " 20000", 1);
      for (int k = 1; k <= 3; k++) {
        int done = 8 * k;
        var progress = shopper.await(job, p -> p.getDone() >= done);
        assertThat(progress.getDone()).isBetween(done, TASKS - 1);
        assertThat(proxy.cut()).isPositive();
      }
      var end = shopper.end(job);
      assertThat(end.getState()).as(end.getReason()).isEqualTo("done");
      List<Entry> records = shopper.records(job);
      assertThat(count(records, Outcome.DONE)).isEqualTo(TASKS);
      assertThat(records).as("no attempt was lost or repeated").hasSize(TASKS);
      assertThat(notices).anyMatch(n -> n.contains("lost"));
    }
  }

  @Test
  void aTerminatedProviderDrains() throws Exception {
    Process going = child("going");
    JobId job = burn(TASKS, WHILE + " 300", 1);
    shopper.await(job, p -> p.getDone() >= 5);
    provider("staying", pool.port());
    going.destroy(); // SIGTERM
    assertThat(going.waitFor(60, TimeUnit.SECONDS)).isTrue();
    String log = Files.readString(folder.resolve("going.log"));
    assertThat(log).contains("drained: true");
    var end = shopper.end(job);
    assertThat(end.getState()).as(end.getReason()).isEqualTo("done");
    List<Entry> records = shopper.records(job);
    assertThat(records).as("no attempt was lost").hasSize(TASKS);
    Set<String> by =
        records.stream().map(e -> e.record().provider().toString()).collect(Collectors.toSet());
    assertThat(by).hasSize(2);
  }

  @Test
  void aKilledProvidersTasksAreReassigned() throws Exception {
    Process victim = child("victim");
    JobId job = burn(TASKS, WHILE + " 100", 1);
    shopper.await(job, p -> p.getDone() >= 5);
    victim.destroyForcibly(); // SIGKILL
    assertThat(victim.waitFor(20, TimeUnit.SECONDS)).isTrue();
    provider("heir", pool.port());
    var end = shopper.end(job);
    assertThat(end.getState()).as(end.getReason()).isEqualTo("done");
    List<Entry> records = shopper.records(job);
    assertThat(count(records, Outcome.DONE)).isEqualTo(TASKS);
    assertThat(count(records, Outcome.LOST)).isPositive();
    assertThat(records)
        .filteredOn(e -> e.record().outcome() == Outcome.LOST)
        .allMatch(e -> e.record().charge() == 0);
  }
}
