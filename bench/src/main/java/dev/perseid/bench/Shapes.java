package dev.perseid.bench;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.perseid.engine.Engine;
import dev.perseid.engine.EngineConfig;
import dev.perseid.engine.Flow;
import dev.perseid.engine.Fork;
import dev.perseid.engine.Graph;
import dev.perseid.engine.RunFailure;
import dev.perseid.engine.Tasks;
import java.io.IOException;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ForkJoinPool;
import java.util.concurrent.RecursiveAction;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.atomic.AtomicIntegerArray;
import java.util.function.IntConsumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// What an empty task costs in the embedded engine, with its record in a file that is synced at the
/// end, beside `ForkJoinPool` without any record, in turns in one JVM: 100,000 independent tasks, a
/// chain of 10,000, a wavefront over a grid of 316 x 316, a binary tree of 2^17 - 1 (once as a
/// graph, once forked). On a machine that others use too, the processor time is worth more than the
/// time that passed. Beside them Taskflow, where its headers are named: a process of its own.
final class Shapes {
  static final int INDEPENDENT = 100_000;
  static final int CHAIN = 10_000;
  static final int SIDE = 316;
  static final int DEPTH = 16;
  static final int TREE = (1 << (DEPTH + 1)) - 1;
  private static final int SMALL = 20_000;
  private static final int WARM = 20;

  /// @param workers threads of each engine
  /// @param rounds of each row, in turns
  /// @param taskflow the folder that has Taskflow's `taskflow/taskflow.hpp`
  record Setting(int workers, int rounds, Optional<Path> taskflow) {}

  /// One run of a shape.
  private interface Shot {
    void run() throws IOException, RunFailure, InterruptedException;
  }

  private final Printout report;
  private final Setting setting;
  private final ForkJoinPool pool;
  private final Table table =
      new Table(
          "shape",
          ">tasks",
          ">ForkJoinPool",
          ">run",
          ">built",
          ">synced",
          ">built / FJP",
          ">silent",
          ">CPU: FJP",
          ">synced",
          ">silent",
          ">bytes");
  private final com.sun.management.OperatingSystemMXBean system =
      (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

  Shapes(Printout report, Setting setting) {
    this.report = report;
    this.setting = setting;
    this.pool = new ForkJoinPool(setting.workers);
  }

  void run(Path folder, Path home) throws IOException, RunFailure, InterruptedException {
    Host host = Host.now();
    shape(folder, "independent", INDEPENDENT, Shapes::independent, this::poolIndependent);
    shape(folder, "chain", CHAIN, Shapes::chain, this::poolChain);
    shape(folder, "grid", SIDE * SIDE, Shapes::grid, this::poolGrid);
    shape(folder, "tree, as a graph", TREE, Shapes::tree, this::poolTree);
    shape(folder, "tree, forked", TREE, Shapes::forkedTree, this::poolTree);
    report.say(
        "ns a task, median of "
            + setting.rounds
            + " rounds, "
            + setting.workers
            + " workers. run: a graph again, with records; built: built and run; synced: built, run,"
            + " and the file synced; silent: built and run without records; CPU: processor time of"
            + " all threads, mean; bytes: of the file");
    report.table(table);
    if (setting.taskflow.isPresent()) {
      taskflow(setting.taskflow.get(), folder, home);
    }
    report.say(host.state(home));
    smallest(folder);
    pool.shutdown();
    memory();
  }

  private void shape(Path folder, String name, int tasks, Supplier<Graph> graph, Shot other)
      throws IOException, RunFailure, InterruptedException {
    Path file = folder.resolve("records");
    EngineConfig config = EngineConfig.usual().workers(setting.workers);
    double[][] ns = new double[5][setting.rounds];
    double[] cpu = new double[5]; // a sum: the system counts in steps of 10 ms
    long records = 0;
    try (Engine engine = Engine.open(config.records(file));
        Engine silent = Engine.open(config)) {
      Graph again = graph.get();
      Shot[] shots = {
        other,
        () -> engine.run(again),
        () -> engine.run(graph.get()),
        () -> {
          engine.run(graph.get());
          engine.sync();
        },
        () -> silent.run(graph.get())
      };
      for (int round = -WARM; round < setting.rounds; round++) {
        for (int i = 0; i < shots.length; i++) {
          long used = system.getProcessCpuTime();
          long begun = System.nanoTime();
          shots[i].run();
          if (round >= 0) {
            ns[i][round] = (double) (System.nanoTime() - begun) / tasks;
            cpu[i] += (double) (system.getProcessCpuTime() - used) / tasks / setting.rounds;
          }
        }
        engine.sync();
      }
      records = 3L * (WARM + setting.rounds) * tasks;
    }
    double base = Figures.median(ns[0]);
    table.row(
        name,
        tasks,
        Figures.of(base),
        Figures.of(Figures.median(ns[1])),
        Figures.of(Figures.median(ns[2])),
        Figures.of(Figures.median(ns[3])),
        Figures.ratio(Figures.median(ns[2]), base),
        Figures.of(Figures.median(ns[4])),
        Figures.of(cpu[0]),
        Figures.of(cpu[3]),
        Figures.of(cpu[4]),
        Figures.of((double) Files.size(file) / records));
    report.progress(name);
    Files.delete(file);
  }

  /// Compiles and runs `bench/peers/taskflow_shapes.cpp`.
  private void taskflow(Path headers, Path folder, Path home)
      throws IOException, InterruptedException {
    Path binary = folder.resolve("taskflow_shapes");
    said(
        List.of(
            "g++",
            "-O3",
            "-std=c++20",
            "-I",
            headers.toString(),
            home.resolve("bench/peers/taskflow_shapes.cpp").toString(),
            "-o",
            binary.toString(),
            "-pthread"));
    Table peer = new Table("Taskflow, without records", ">run", ">built");
    String said = said(List.of(binary.toString(), setting.workers + "", setting.rounds + ""));
    for (String line : said.lines().toList()) {
      String[] cells = line.split(" ", -1);
      peer.row(
          cells[0],
          Figures.of(Double.parseDouble(cells[1])),
          Figures.of(Double.parseDouble(cells[2])));
    }
    report.table(peer);
  }

  private static String said(List<String> command) throws IOException, InterruptedException {
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String said = new String(process.getInputStream().readAllBytes(), UTF_8);
    if (process.waitFor() != 0) {
      throw new IOException(command.getFirst() + " says: " + said);
    }
    return said.strip();
  }

  /// The smallest task at which half of the workers' time is work (METG of 50 %; Slaughter and
  /// others, "Task Bench", 2020): independent tasks of more and more steps, with records, beside
  /// the same steps in a plain loop. With as many workers as there are cores, at most: more could
  /// not be busy.
  private void smallest(Path folder) throws IOException, RunFailure, InterruptedException {
    Path file = folder.resolve("records");
    double[] last = {Double.NaN, Double.NaN};
    double[] found = {Double.NaN, Double.NaN};
    double[] before = {0, 0};
    long[] sums = new long[1];
    int workers = Math.min(setting.workers, Runtime.getRuntime().availableProcessors());
    try (ForkJoinPool small = new ForkJoinPool(workers);
        Engine engine = Engine.open(EngineConfig.usual().workers(workers).records(file))) {
      for (int steps = 4; steps <= 1 << 14 && Double.isNaN(found[0] + found[1]); steps *= 2) {
        int each = steps;
        Graph graph = new Graph("smallest");
        graph.tasks("task", SMALL, i -> keep(steps(i, each)));
        double[][] ns = new double[3][setting.rounds];
        for (int round = -WARM; round < setting.rounds; round++) {
          long begun = System.nanoTime();
          for (int i = 0; i < SMALL; i++) {
            sums[0] += steps(i, each);
          }
          long plain = System.nanoTime();
          poolIndependent(small, SMALL, i -> keep(steps(i, each)));
          long pooled = System.nanoTime();
          engine.run(graph);
          long ended = System.nanoTime();
          engine.sync();
          if (round >= 0) {
            ns[0][round] = (double) (plain - begun) / SMALL;
            ns[1][round] = (double) (pooled - plain) / SMALL;
            ns[2][round] = (double) (ended - pooled) / SMALL;
          }
        }
        double work = Figures.median(ns[0]);
        for (int k = 0; k < 2; k++) {
          double share = work / (workers * Figures.median(ns[k + 1]));
          if (share >= 0.5 && Double.isNaN(found[k])) {
            // Between two sizes the share is taken to grow evenly; the first size may be too great.
            found[k] =
                Double.isNaN(last[k])
                    ? work
                    : last[k] + (work - last[k]) * (0.5 - before[k]) / (share - before[k]);
          }
          last[k] = work;
          before[k] = share;
        }
      }
    }
    Files.delete(file);
    keep(sums[0] | 1);
    report.say(
        "smallest task at which "
            + workers
            + " workers are 50 % efficient (METG): "
            + Figures.of(found[1])
            + " ns, ForkJoinPool "
            + Figures.of(found[0])
            + " ns");
  }

  private static long steps(int seed, int count) {
    long x = seed + 1L;
    for (int i = 0; i < count; i++) {
      x ^= x << 13;
      x ^= x >>> 7;
      x ^= x << 17;
    }
    return x;
  }

  /// Lets nobody leave out what made a number.
  private static void keep(long number) {
    if (number == 0) {
      throw new IllegalStateException("xorshift never comes to zero");
    }
  }

  /// What a graph of ten million tasks and its run take of the heap.
  private void memory() throws IOException, RunFailure {
    int side = 3_163;
    long before = used();
    Graph graph = grid(side);
    try (Engine engine = Engine.open(EngineConfig.usual().workers(setting.workers))) {
      var run = engine.start(graph);
      long after = used();
      run.join();
      report.say(
          String.format(
              "a grid of %,d tasks and its run take %,d MiB (%.1f bytes a task)",
              graph.size(), (after - before) >> 20, (double) (after - before) / graph.size()));
    }
  }

  private static long used() {
    Runtime runtime = Runtime.getRuntime();
    System.gc();
    return runtime.totalMemory() - runtime.freeMemory();
  }

  // ---- the engine's

  private static void nothing(int index) {}

  static Graph independent() {
    Graph graph = new Graph("independent");
    graph.tasks("task", INDEPENDENT, Shapes::nothing);
    return graph;
  }

  static Graph chain() {
    Graph graph = new Graph("chain");
    Tasks tasks = graph.tasks("task", CHAIN, Shapes::nothing);
    for (int i = 1; i < CHAIN; i++) {
      tasks.after(i, i - 1);
    }
    return graph;
  }

  static Graph grid() {
    return grid(SIDE);
  }

  private static Graph grid(int side) {
    Graph graph = new Graph("grid");
    Tasks tasks = graph.tasks("cell", side * side, Shapes::nothing);
    for (int k = 0; k < side * side; k++) {
      if (k / side > 0) {
        tasks.after(k, k - side);
      }
      if (k % side > 0) {
        tasks.after(k, k - 1);
      }
    }
    return graph;
  }

  static Graph tree() {
    Graph graph = new Graph("tree");
    Tasks tasks = graph.tasks("node", TREE, Shapes::nothing);
    for (int k = 0; 2 * k + 2 < TREE; k++) {
      tasks.after(k, 2 * k + 1);
      tasks.after(k, 2 * k + 2);
    }
    return graph;
  }

  static Graph forkedTree() {
    Graph graph = new Graph("forked tree");
    graph.flow("node", flow -> node(flow, DEPTH));
    return graph;
  }

  private static @Nullable Void node(Flow flow, int depth) throws RunFailure {
    if (depth > 0) {
      Fork<@Nullable Void> left = flow.fork("node", f -> node(f, depth - 1));
      flow.<@Nullable Void>call("node", f -> node(f, depth - 1));
      left.join();
    }
    return null;
  }

  // ---- ForkJoinPool's

  void poolIndependent() throws InterruptedException {
    poolIndependent(pool, INDEPENDENT, Shapes::nothing);
  }

  private static void poolIndependent(ForkJoinPool pool, int count, IntConsumer body)
      throws InterruptedException {
    CountDownLatch end = new CountDownLatch(1);
    AtomicInteger left = new AtomicInteger(count);
    // From inside: what comes from outside goes through one queue, at some 200 ns each.
    pool.execute(() -> {
      for (int i = 0; i < count; i++) {
        int index = i;
        pool.execute(() -> {
          body.accept(index);
          if (left.decrementAndGet() == 0) {
            end.countDown();
          }
        });
      }
    });
    end.await();
  }

  void poolChain() throws InterruptedException {
    CountDownLatch end = new CountDownLatch(1);
    pool.execute(() -> link(0, end));
    end.await();
  }

  private void link(int i, CountDownLatch end) {
    if (i + 1 == CHAIN) {
      end.countDown();
    } else {
      pool.execute(() -> link(i + 1, end));
    }
  }

  void poolGrid() throws InterruptedException {
    CountDownLatch end = new CountDownLatch(1);
    AtomicIntegerArray left = new AtomicIntegerArray(SIDE * SIDE);
    for (int k = 0; k < SIDE * SIDE; k++) {
      left.set(k, (k / SIDE > 0 ? 1 : 0) + (k % SIDE > 0 ? 1 : 0));
    }
    pool.execute(() -> cell(0, left, end));
    end.await();
  }

  private void cell(int k, AtomicIntegerArray left, CountDownLatch end) {
    if (k == SIDE * SIDE - 1) {
      end.countDown();
      return;
    }
    if (k / SIDE + 1 < SIDE && left.decrementAndGet(k + SIDE) == 0) {
      pool.execute(() -> cell(k + SIDE, left, end));
    }
    if (k % SIDE + 1 < SIDE && left.decrementAndGet(k + 1) == 0) {
      pool.execute(() -> cell(k + 1, left, end));
    }
  }

  void poolTree() {
    pool.invoke(new Node(DEPTH));
  }

  private static final class Node extends RecursiveAction {
    private static final long serialVersionUID = 1;
    private final int depth;

    Node(int depth) {
      this.depth = depth;
    }

    @Override
    protected void compute() {
      if (depth > 0) {
        Node left = new Node(depth - 1);
        left.fork();
        new Node(depth - 1).compute();
        left.join();
      }
    }
  }
}
