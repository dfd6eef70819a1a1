package dev.perseid.bench;

import dev.perseid.core.Address;
import dev.perseid.core.Capability;
import dev.perseid.core.Command;
import dev.perseid.core.Effect;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.Event;
import dev.perseid.core.EventCodec;
import dev.perseid.core.ExecutionRecord;
import dev.perseid.core.Hash;
import dev.perseid.core.Lease;
import dev.perseid.core.Offer;
import dev.perseid.core.Outcome;
import dev.perseid.core.Pool;
import dev.perseid.core.Price;
import dev.perseid.core.Report;
import dev.perseid.core.Usage;
import dev.perseid.journal.Merkle;
import dev.perseid.journal.MerkleTree;
import dev.perseid.journal.RecordStore;
import dev.perseid.sandbox.Execution;
import dev.perseid.sandbox.Portable;
import dev.perseid.sandbox.RunLimits;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import dev.perseid.settle.Digests;
import dev.perseid.settle.Key;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.OptionalLong;
import run.endive.compiler.MachineFactoryCompiler;
import run.endive.runtime.HostFunction;
import run.endive.runtime.ImportValues;
import run.endive.runtime.Instance;
import run.endive.wasm.Parser;
import run.endive.wasm.WasmModule;
import run.endive.wasm.types.FunctionType;
import run.endive.wasm.types.ValType;

/// The parts of a task's way, one by one, in this process and on one thread.
final class Micro {
  private static final long WARM_NS = 1_500_000_000L;
  private static final long ROUND_NS = 200_000_000L;
  private static final int ROUNDS = 7;
  private static final int MANY = 1_024;
  private static final int JOB_TASKS = 100_000;
  private static final Price PRICE = new Price(1_000, 278, 10_000);
  private static final Usage USAGE =
      new Usage(
          OptionalLong.of(2_000),
          OptionalLong.of(30_000),
          OptionalLong.of(40_000),
          OptionalLong.of(65_536),
          OptionalLong.of(0),
          OptionalLong.of(0),
          OptionalLong.of(0),
          OptionalLong.empty(),
          OptionalLong.empty(),
          "");

  /// One thing that is measured; returns something that depends on what it did, so that it cannot
  /// be left out.
  private interface Work {
    long run() throws IOException;
  }

  private final Printout report;
  private final Table table = new Table("", ">ns", ">a second", "of what");
  private long sink;

  Micro(Printout report) {
    this.report = report;
  }

  void run(Path folder, Path home) throws IOException, InterruptedException {
    Host host = Host.now();
    Key key = Key.generate();
    Key poolKey = Key.generate();
    List<Event> events = core(key, poolKey.address());
    List<Entry> entries = new ArrayList<>();
    for (Event event : events) {
      if (event instanceof Event.AttemptEnded ended) {
        entries.add(ended.entry());
      }
    }
    ExecutionRecord record = entries.getFirst().record();
    Hash digest = Digests.record(record);
    String signature = key.sign(digest);
    measure("sign", 1, "secp256k1 over a digest", () -> key.sign(digest).length());
    measure(
        "recover",
        1,
        "the signer's address from a signature",
        () -> Key.recover(digest, signature).orElseThrow().c());
    measure("digest", 1, "EIP-712 of a record", () -> Digests.record(record).a());
    List<ExecutionRecord> many = entries.subList(0, MANY).stream().map(Entry::record).toList();
    List<Hash> digests = Digests.records(many);
    measure(
        "digests",
        MANY,
        "the same, " + MANY + " at once",
        () -> Digests.records(many).getFirst().a());
    measure(
        "batch root",
        MANY,
        "a record's share of the Merkle root over " + MANY,
        () -> Merkle.rootOfDigests(digests).a());
    byte[] canonical = EntryCodec.encode(entries.getFirst());
    measure(
        "entry encode",
        1,
        canonical.length + " canonical bytes",
        () -> EntryCodec.encode(entries.getFirst()).length);
    measure("entry decode", 1, "the same", () -> EntryCodec.decode(canonical).index());
    List<Event> some = events.subList(0, 2 * MANY);
    byte[] encoded = EventCodec.encode(some);
    measure(
        "events encode",
        some.size(),
        encoded.length / some.size() + " bytes an event of the log (two a task)",
        () -> EventCodec.encode(some).length);
    measure("events decode", some.size(), "the same", () -> EventCodec.decode(encoded).size());
    store(folder, entries);
    merkle();
    wasm(folder, home);
    report.table(table);
    report.say(host.state(home));
    report.progress("(" + sink + ")");
  }

  /// Runs work until it is warm, then takes the median of some rounds.
  private double measure(String name, int operations, String what, Work work) throws IOException {
    long begun = System.nanoTime();
    long runs = 0;
    while (System.nanoTime() - begun < WARM_NS) {
      sink += work.run();
      runs++;
    }
    long each = Math.max(1, runs * ROUND_NS / WARM_NS);
    double[] ns = new double[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      long from = System.nanoTime();
      for (long i = 0; i < each; i++) {
        sink += work.run();
      }
      ns[round] = (double) (System.nanoTime() - from) / each / operations;
    }
    double median = Figures.median(ns);
    row(name, median, what);
    return median;
  }

  private void row(String name, double ns, String what) {
    table.row(name, Figures.of(ns), Figures.of(1e9 / ns), what);
    report.progress(name + ": " + Figures.of(ns) + " ns");
  }

  /// Whole jobs through the core: assigned and reported in batches. Returns the events of a part of
  /// the last one: an assignment and an end for each task.
  private List<Event> core(Key provider, Address self) {
    List<Event> kept = new ArrayList<>();
    double[] assign = new double[ROUNDS];
    double[] end = new double[ROUNDS];
    for (int round = 0; round < ROUNDS; round++) {
      kept.clear();
      long[] times = through(provider, self, kept);
      assign[round] = (double) times[0] / JOB_TASKS;
      end[round] = (double) times[1] / JOB_TASKS;
    }
    row("core: assign", Figures.median(assign), "one task of a job of " + JOB_TASKS);
    row("core: report", Figures.median(end), "the same; " + MANY + " in a batch");
    return kept;
  }

  private static long[] through(Key provider, Address self, List<Event> kept) {
    Pool pool = Pool.empty(self);
    List<Effect> effects = new ArrayList<>();
    Address consumer =
        Address.of(new byte[] {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1});
    Offer offer =
        new Offer(provider.address(), "p", "m", "", 64, 1L << 40, PRICE, Capability.UNMEASURED, 0);
    pool.execute(new Command.Grant(consumer, EmptyTask.BUDGET, "bench"), 1, effects);
    pool.execute(
        new Command.JoinProvider(offer, Digests.offer(offer), "", 1, List.of()), 2, effects);
    pool.execute(new Command.SubmitJob(EmptyTask.job(consumer, 1, JOB_TASKS), ""), 3, effects);
    long assignNs = 0;
    long reportNs = 0;
    long nowUs = 4;
    int done = 0;
    while (done < JOB_TASKS) {
      effects.clear();
      long begun = System.nanoTime();
      List<Event> assigned = pool.execute(new Command.Schedule(MANY), nowUs, effects);
      assignNs += System.nanoTime() - begun;
      List<Report> reports = new ArrayList<>();
      for (Effect effect : effects) {
        if (effect instanceof Effect.SendLease send) {
          reports.add(report(send.lease(), nowUs));
        }
      }
      if (reports.isEmpty()) {
        throw new IllegalStateException("nothing was assigned after " + done + " tasks");
      }
      effects.clear();
      begun = System.nanoTime();
      List<Event> ended =
          pool.execute(
              new Command.ReportAttempts(provider.address(), 1, reports, "00"), nowUs, effects);
      reportNs += System.nanoTime() - begun;
      done += reports.size();
      nowUs += 1_000;
      if (kept.size() < 8 * MANY) {
        kept.addAll(assigned);
        kept.addAll(ended);
      }
    }
    return new long[] {assignNs, reportNs};
  }

  private static Report report(Lease lease, long nowUs) {
    return new Report(
        lease.id(),
        Outcome.DONE,
        "",
        OptionalLong.of(nowUs),
        OptionalLong.of(nowUs),
        USAGE,
        List.of(),
        "endive",
        "bubblewrap",
        Hash.EMPTY_BLOB);
  }

  private void store(Path folder, List<Entry> samples) throws IOException {
    Entry sample = samples.getFirst();
    byte[] canonical = EntryCodec.encode(sample);
    try (RecordStore store = RecordStore.open(folder.resolve("records"))) {
      measure(
          "record store",
          MANY,
          "an entry appended, its leaf in the tree (not synced)",
          () -> {
            for (int i = 0; i < MANY; i++) {
              Entry next =
                  new Entry(
                      store.count(), sample.recordedUs(), sample.record(), sample.attestation());
              store.appendEntry(next, canonical);
            }
            return store.count();
          });
      measure(
          "synced",
          1,
          "the record store once",
          () -> {
            Entry next =
                new Entry(
                    store.count(), sample.recordedUs(), sample.record(), sample.attestation());
            store.appendEntry(next, canonical);
            store.sync();
            return store.count();
          });
    }
  }

  private void merkle() throws IOException {
    MerkleTree tree = new MerkleTree();
    Hash leaf = Merkle.leafHash(new byte[300]);
    measure(
        "Merkle append",
        MANY,
        "a leaf hash, in memory",
        () -> {
          for (int i = 0; i < MANY; i++) {
            tree.append(leaf);
          }
          return tree.size();
        });
    long[] at = {0};
    measure(
        "Merkle proof",
        1,
        "a path among " + tree.size() + " leaves",
        () -> tree.path(at[0]++ * 7_919 % tree.size(), tree.size()).size());
  }

  // ---- metering
  // -------------------------------------------------------------------------------------

  private static final int ITERATIONS = 300_000_000;

  /// The same module with the sandbox's metering (in an engine child) and without (here).
  private void wasm(Path folder, Path home) throws IOException, InterruptedException {
    Path file = home.resolve("examples/modules/burn.wasm");
    if (!Files.isRegularFile(file)) {
      report.say("no metering figure: " + file + " is missing");
      return;
    }
    byte[] module = Files.readAllBytes(file);
    byte[] args = Integer.toString(ITERATIONS).getBytes(StandardCharsets.US_ASCII);
    double[] metered = new double[ROUNDS];
    double[] plain = new double[ROUNDS];
    WasmModule parsed = Parser.parse(module);
    var machines = MachineFactoryCompiler.compile(parsed);
    try (Sandbox sandbox = Sandbox.open(SandboxConfig.in(folder.resolve("sandbox")).withSlots(1))) {
      for (int round = -1; round < ROUNDS; round++) { // one to warm up
        Execution ran =
            sandbox
                .run(
                    new Portable(
                        round + 2,
                        "bench",
                        file,
                        Hash.sha256(module).bytes(),
                        args,
                        List.of(),
                        0,
                        new RunLimits(1L << 50, 64L << 20, 0, 600_000)))
                .join();
        double meteredNs = ran.usage().cpuNs().orElse(0);
        Instance instance =
            Instance.builder(parsed)
                .withImportValues(ImportValues.builder().addFunction(host(args)).build())
                .withMachineFactory(machines)
                .build();
        long before = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime();
        while (instance.export("step").apply()[0] == 0) {
          sink++;
        }
        double plainNs = ManagementFactory.getThreadMXBean().getCurrentThreadCpuTime() - before;
        if (round >= 0) {
          metered[round] = meteredNs / ITERATIONS;
          plain[round] = plainNs / ITERATIONS;
        }
      }
    }
    double with = Figures.median(metered);
    double without = Figures.median(plain);
    row("WASM, plain", without, "an iteration of burn.wasm, CPU time");
    row(
        "WASM, metered",
        with,
        "the same in the sandbox: " + Figures.ratio(with, without) + " of plain");
  }

  private static HostFunction[] host(byte[] args) {
    ValType i = ValType.I32;
    return new HostFunction[] {
      function("args_size", List.of(), i, (instance, a) -> args.length),
      function(
          "args_read",
          List.of(i, i, i),
          i,
          (instance, a) -> {
            int length = Math.min((int) a[2], args.length - (int) a[1]);
            instance.memory().write((int) a[0], args, (int) a[1], length);
            return length;
          }),
      function("input_count", List.of(), i, (instance, a) -> 0),
      function("input_size", List.of(i), ValType.I64, (instance, a) -> -1),
      function("input_read", List.of(i, ValType.I64, i, i), i, (instance, a) -> 0),
      function("output_write", List.of(i, i, i), i, (instance, a) -> a[2]),
      new HostFunction(
          "perseid", "log", FunctionType.of(List.of(i, i), List.of()), (instance, a) -> null),
      new HostFunction(
          "perseid", "progress", FunctionType.of(List.of(i), List.of()), (instance, a) -> null)
    };
  }

  private interface Body {
    long apply(Instance instance, long[] arguments);
  }

  private static HostFunction function(String name, List<ValType> in, ValType out, Body body) {
    return new HostFunction(
        "perseid",
        name,
        FunctionType.of(in, List.of(out)),
        (instance, arguments) -> new long[] {body.apply(instance, arguments)});
  }
}
