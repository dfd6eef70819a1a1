package dev.perseid.bench;

import dev.perseid.engine.Engine;
import dev.perseid.engine.EngineConfig;
import dev.perseid.engine.Graph;
import dev.perseid.engine.Run;
import dev.perseid.engine.RunFailure;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.openjdk.jmh.annotations.Benchmark;
import org.openjdk.jmh.annotations.BenchmarkMode;
import org.openjdk.jmh.annotations.Level;
import org.openjdk.jmh.annotations.Mode;
import org.openjdk.jmh.annotations.OperationsPerInvocation;
import org.openjdk.jmh.annotations.OutputTimeUnit;
import org.openjdk.jmh.annotations.Param;
import org.openjdk.jmh.annotations.Scope;
import org.openjdk.jmh.annotations.Setup;
import org.openjdk.jmh.annotations.State;
import org.openjdk.jmh.annotations.TearDown;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.OptionsBuilder;
import org.openjdk.jmh.runner.options.TimeValue;

/// The shapes of [Shapes] under JMH, which gives each a JVM of its own: nanoseconds a task, built,
/// run, and the file of records synced; beside `ForkJoinPool` without records.
@State(Scope.Benchmark)
@BenchmarkMode(Mode.AverageTime)
@OutputTimeUnit(TimeUnit.NANOSECONDS)
public class EngineShapes {
  private static final int GRID = Shapes.SIDE * Shapes.SIDE;

  /// Threads of each engine.
  @Param("4")
  public int workers;

  private Optional<Engine> engine = Optional.empty();
  private Optional<Shapes> pool = Optional.empty();
  private Path file = Path.of("");

  /// Measures.
  static void run(int workers, String only, int seconds) throws IOException {
    try {
      new Runner(
              new OptionsBuilder()
                  .include(EngineShapes.class.getName() + "\\.(" + only + ")")
                  .param("workers", Integer.toString(workers))
                  .warmupIterations(5)
                  .warmupTime(TimeValue.seconds(seconds))
                  .measurementIterations(5)
                  .measurementTime(TimeValue.seconds(seconds))
                  .forks(1)
                  .build())
          .run();
    } catch (RunnerException e) {
      throw new IOException("JMH could not measure: " + e.getMessage(), e);
    }
  }

  /// Opens the engine.
  @Setup(Level.Trial)
  public void open() throws IOException {
    file = Files.createTempFile("perseid-jmh-", ".records");
    engine = Optional.of(Engine.open(EngineConfig.usual().workers(workers).records(file)));
    pool =
        Optional.of(
            new Shapes(
                new Printout(System.out, System.err),
                new Shapes.Setting(workers, 1, Optional.empty())));
  }

  /// Closes the engine.
  @TearDown(Level.Trial)
  public void close() throws IOException {
    engine.orElseThrow().close();
    Files.delete(file);
  }

  private Run synced(Graph graph) throws IOException, RunFailure {
    Engine on = engine.orElseThrow();
    Run run = on.run(graph);
    on.sync();
    return run;
  }

  /// 100,000 tasks that depend on nothing.
  @Benchmark
  @OperationsPerInvocation(Shapes.INDEPENDENT)
  public Run independent() throws IOException, RunFailure {
    return synced(Shapes.independent());
  }

  /// 10,000 tasks, each after the one before.
  @Benchmark
  @OperationsPerInvocation(Shapes.CHAIN)
  public Run chain() throws IOException, RunFailure {
    return synced(Shapes.chain());
  }

  /// A wavefront over 316 x 316.
  @Benchmark
  @OperationsPerInvocation(GRID)
  public Run grid() throws IOException, RunFailure {
    return synced(Shapes.grid());
  }

  /// A binary tree of 2^17 - 1, as a graph.
  @Benchmark
  @OperationsPerInvocation(Shapes.TREE)
  public Run tree() throws IOException, RunFailure {
    return synced(Shapes.tree());
  }

  /// The same, forked.
  @Benchmark
  @OperationsPerInvocation(Shapes.TREE)
  public Run treeForked() throws IOException, RunFailure {
    return synced(Shapes.forkedTree());
  }

  /// `ForkJoinPool`: independent tasks.
  @Benchmark
  @OperationsPerInvocation(Shapes.INDEPENDENT)
  public void poolIndependent() throws InterruptedException {
    pool.orElseThrow().poolIndependent();
  }

  /// `ForkJoinPool`: the chain.
  @Benchmark
  @OperationsPerInvocation(Shapes.CHAIN)
  public void poolChain() throws InterruptedException {
    pool.orElseThrow().poolChain();
  }

  /// `ForkJoinPool`: the grid.
  @Benchmark
  @OperationsPerInvocation(GRID)
  public void poolGrid() throws InterruptedException {
    pool.orElseThrow().poolGrid();
  }

  /// `ForkJoinPool`: the tree.
  @Benchmark
  @OperationsPerInvocation(Shapes.TREE)
  public void poolTree() {
    pool.orElseThrow().poolTree();
  }
}
