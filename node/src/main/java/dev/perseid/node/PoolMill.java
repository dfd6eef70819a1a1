package dev.perseid.node;

import dev.perseid.core.Command;
import dev.perseid.core.Effect;
import dev.perseid.core.Entry;
import dev.perseid.core.EntryCodec;
import dev.perseid.core.Event;
import dev.perseid.core.EventCodec;
import dev.perseid.core.Hash;
import dev.perseid.core.Movement;
import dev.perseid.core.Pool;
import dev.perseid.core.Probe;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.SignedBatch;
import dev.perseid.journal.MoneyBook;
import dev.perseid.journal.RecordStore;
import dev.perseid.journal.StoreException;
import java.io.Closeable;
import java.io.DataInput;
import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.channels.FileLock;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.security.SecureRandom;
import java.time.Instant;
import java.time.InstantSource;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.concurrent.atomic.AtomicReference;
import java.util.function.Consumer;
import java.util.function.Function;
import org.jspecify.annotations.Nullable;

/// Turns the pool's loop: owns the one thread on which the state lives, the log and the record
/// store. Everything else of the node reaches the state through here.
///
/// Its directory has `lock`, `log/` (Raft), `records/` and `money/`. Record store and money book
/// are projections of the log: they are written after the log, synced before each snapshot, and
/// mended by the replay.
final class PoolMill implements Closeable {
  /// The pool cannot answer now. The message is for the caller.
  static final class Unavailable extends Exception {
    Unavailable(String message) {
      super(message, null, false, false);
    }
  }

  private final Path dir;
  private final InstantSource clock;
  private final FileChannel lockFile;
  private final RecordStore records;
  private final MoneyBook book;
  private final LinkedBlockingQueue<Runnable> inbox = new LinkedBlockingQueue<>();

  // At most one answer of each provider that is measured waits here.
  private final ExecutorService judges =
      Executors.newSingleThreadExecutor(
          Thread.ofPlatform().name("pool-measures").daemon().factory());
  private final ResultComparer comparisons;
  private final AtomicReference<String> failure = new AtomicReference<>("");
  private final PoolLoop loop;
  private final RatisLog log;
  private final Thread thread;
  private volatile boolean closing;
  private volatile boolean snapshotWanted;
  private @Nullable Pool state;

  private PoolMill(
      PoolConfig config,
      InstantSource clock,
      PoolLoop.Outbox outbox,
      PoolLoop.Stored stored,
      Function<Hash, Optional<Path>> files)
      throws IOException {
    this.comparisons = new ResultComparer(config.dir().resolve("comparisons"), files);
    this.dir = config.dir();
    this.clock = clock;
    this.lockFile = lock(dir);
    RecordStore opened = null;
    MoneyBook openedBook = null;
    RatisLog openedLog = null;
    boolean whole = false;
    try {
      opened = RecordStore.open(dir.resolve("records"));
      records = opened;
      openedBook = MoneyBook.open(dir.resolve("money"));
      book = openedBook;
      Pool restored = Pool.empty(config.key().address());
      state = restored;
      openedLog = RatisLog.open(dir.resolve("log"), new Owner());
      log = openedLog;
      check(config, state);
      loop =
          new PoolLoop(
              state,
              log,
              outbox,
              new Archive(),
              stored,
              new SettleDigests(),
              new PoolLoop.Settings(config.heartbeatMs(), config.silenceMs(), config.measures()),
              new SecureRandom()::nextLong,
              this::judge,
              new Comparisons());
      whole = true;
    } finally {
      if (!whole) {
        closeAll(openedLog, opened, openedBook, lockFile);
      }
    }
    this.thread = Thread.ofPlatform().name("pool").unstarted(this::turn);
  }

  /// Rebuilds the state from what `config.dir()` has; [#start] sets it going.
  ///
  /// @throws PoolStartException if another process has the directory, or if it is damaged
  ///
  /// @param files where blobs are that the pool has
  static PoolMill open(
      PoolConfig config,
      InstantSource clock,
      PoolLoop.Outbox outbox,
      PoolLoop.Stored stored,
      Function<Hash, Optional<Path>> files)
      throws IOException {
    return new PoolMill(config, clock, outbox, stored, files);
  }

  private static FileChannel lock(Path dir) throws IOException {
    Files.createDirectories(dir);
    FileChannel channel =
        FileChannel.open(dir.resolve("lock"), StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    FileLock lock;
    try {
      lock = channel.tryLock();
    } catch (OverlappingFileLockException e) {
      lock = null;
    }
    if (lock == null) {
      channel.close();
      throw new PoolStartException(
          "a pool is running in " + dir + " already: stop it, or choose another directory");
    }
    return channel;
  }

  private void check(PoolConfig config, Pool pool) throws PoolStartException {
    if (!pool.self().equals(config.key().address())) {
      throw new PoolStartException(
          dir
              + " belongs to the pool "
              + pool.self()
              + " but the key is of "
              + config.key().address()
              + ": use that pool's key, or another directory");
    }
    if (records.count() != pool.records() || records.batchCount() != pool.batches()) {
      throw new PoolStartException(
          "the log in "
              + dir
              + " knows "
              + pool.records()
              + " records and the record store "
              + records.count()
              + ": one of them was damaged or replaced; restore the directory from a backup");
    }
    if (book.count() != pool.movements()) {
      throw new PoolStartException(
          "the log in "
              + dir
              + " knows "
              + pool.movements()
              + " movements of money and the money book "
              + book.count()
              + ": one of them was damaged or replaced; restore the directory from a backup");
    }
  }

  void start() {
    thread.start();
  }

  private void judge(Probe probe, ProbeAnswer answer, Consumer<String> done) {
    try {
      judges.execute(() -> {
        String wrong;
        try {
          wrong = Exertion.wrong(probe, answer, PoolLimits.MEASURED_SAMPLES, new SecureRandom());
        } catch (RuntimeException | OutOfMemoryError e) {
          wrong = "the pool could not check its answer";
        }
        String verdict = wrong;
        inbox.add(() -> done.accept(verdict));
      });
    } catch (RejectedExecutionException e) {
      // The pool is stopping; it will measure again when it has started.
    }
  }

  /// Has results compared on a thread of its own.
  private final class Comparisons implements PoolLoop.Comparer {
    @Override
    public void compare(Effect.Compare asked, PoolLoop.Compared done) {
      comparisons.compare(asked, (like, problem) -> inbox.add(() -> done.is(like, problem)));
    }

    @Override
    public void drop(Effect.DropComparison what) {
      comparisons.drop(what);
    }
  }

  /// What the replay feeds.
  private final class Owner implements RatisLog.Owner {
    private final Archive archive = new Archive();

    @Override
    public void restore(DataInput in) throws IOException {
      Pool restored = Pool.restore(in);
      state = restored;
      if (records.count() < restored.records() || records.batchCount() < restored.batches()) {
        throw new PoolStartException(
            "the record store in "
                + dir
                + " has "
                + records.count()
                + " of "
                + restored.records()
                + " records: it was damaged or replaced; restore it from a backup");
      }
      if (book.count() < restored.movements()) {
        throw new PoolStartException(
            "the money book in "
                + dir
                + " has "
                + book.count()
                + " of "
                + restored.movements()
                + " movements: it was damaged or replaced; restore it from a backup");
      }
    }

    @Override
    public void replay(byte[] events) {
      Pool pool = state;
      if (pool == null) {
        throw new IllegalStateException("replay before the state was made");
      }
      List<Effect> effects = new ArrayList<>();
      for (Event e : EventCodec.decode(events)) {
        pool.apply(e, effects);
      }
      for (Effect e : effects) {
        switch (e) {
          case Effect.StoreBatch b -> archive.batch(b.batch());
          case Effect.StoreEntry s -> archive.entry(s.entry());
          case Effect.StoreMovement m -> archive.movement(m.movement());
          // Was carried out, or will be when the provider comes back.
          case Effect.SendLease _,
              Effect.StopLease _,
              Effect.ReportDurable _,
              Effect.PurseChanged _,
              Effect.JobChanged _,
              Effect.Measure _,
              // Is asked for again when the loop starts.
              Effect.Compare _,
              Effect.DropComparison _ -> {}
        }
      }
    }

    @Override
    public void onLoop(Runnable r) {
      inbox.add(r);
    }

    @Override
    public void failed(String why) {
      fail(why);
    }
  }

  private final class Archive implements PoolLoop.Archive {
    @Override
    public void batch(SignedBatch batch) {
      try {
        records.appendBatch(batch);
      } catch (StoreException e) {
        unwritable(e);
      }
    }

    @Override
    public void entry(Entry entry) {
      try {
        records.appendEntry(entry, EntryCodec.encode(entry));
      } catch (StoreException e) {
        unwritable(e);
      }
    }

    @Override
    public void movement(Movement movement) {
      try {
        book.append(movement);
      } catch (StoreException e) {
        unwritable(e);
      }
    }

    /// The log has it, so nothing is lost; but the pool must not go on without its records.
    private void unwritable(StoreException e) {
      fail(String.valueOf(e.getMessage()));
      throw new java.io.UncheckedIOException(e);
    }
  }

  private void fail(String why) {
    if (failure.compareAndSet("", why)) {
      System.getLogger(PoolMill.class.getName())
          .log(System.Logger.Level.ERROR, "the pool has stopped: " + why);
    }
  }

  /// Why the pool has stopped, if it has.
  Optional<String> failure() {
    String why = failure.get();
    return why.isEmpty() ? Optional.empty() : Optional.of(why);
  }

  private long nowUs() {
    return ChronoUnit.MICROS.between(Instant.EPOCH, clock.instant());
  }

  private void turn() {
    List<Runnable> drained = new ArrayList<>();
    boolean more = false;
    while (!closing) {
      try {
        if (!more) {
          Runnable first = inbox.poll(PoolLimits.IDLE_SCHEDULE_US / 2, TimeUnit.MICROSECONDS);
          if (first != null) {
            first.run();
          }
        }
        inbox.drainTo(drained);
        for (Runnable r : drained) {
          r.run();
        }
        drained.clear();
        if (!failure.get().isEmpty()) {
          loop.fail(failure.get());
        }
        more = loop.turn(nowUs());
        if (!loop.busy() && failure.get().isEmpty() && (snapshotWanted || log.wantsSnapshot())) {
          snapshotWanted = false;
          snapshot();
        }
      } catch (InterruptedException e) {
        closing = true;
      } catch (RuntimeException e) {
        // The state may be half changed: stop, rather than go on with it. A restart rebuilds it.
        fail("of a bug (" + e + "); what it has acknowledged is safe, start it again");
        System.getLogger(PoolMill.class.getName()).log(System.Logger.Level.ERROR, "bug", e);
        loop.fail(failure.get());
        drained.clear();
        more = false;
      }
    }
  }

  private void snapshot() {
    try {
      records.sync();
      book.sync();
    } catch (StoreException e) {
      fail(String.valueOf(e.getMessage()));
      return;
    }
    log.snapshot(loop.pool()::snapshot);
  }

  /// Takes a snapshot as soon as nothing is on its way; for tests.
  void snapshotNow() {
    snapshotWanted = true;
  }

  /// Runs something with the loop on its thread, soon.
  void post(Consumer<PoolLoop> work) {
    inbox.add(() -> work.accept(loop));
  }

  /// How much waits for the loop's thread.
  int waiting() {
    return inbox.size();
  }

  /// Asks the state something and waits for the answer. What it says is durable.
  <T> T ask(Function<Pool, T> question) throws Unavailable {
    CompletableFuture<T> answer = new CompletableFuture<>();
    refuseIfFull();
    post(l -> {
      boolean taken =
          l.ask(pool -> {
            try {
              answer.complete(question.apply(pool));
            } catch (RuntimeException e) {
              answer.completeExceptionally(e);
            }
          });
      if (!taken) {
        answer.completeExceptionally(
            new Unavailable(
                "the pool "
                    + l.failure()
                        .map(f -> "has stopped: " + f)
                        .orElse("is overloaded: try again in a few seconds")));
      }
    });
    return await(answer, PoolLimits.QUESTION_MS);
  }

  /// Has a command executed and waits until it is durable or refused.
  PoolLoop.Reply command(Command c) throws Unavailable {
    CompletableFuture<PoolLoop.Reply> reply = new CompletableFuture<>();
    refuseIfFull();
    post(l -> l.submit(c, reply::complete));
    return await(reply, PoolLimits.COMMAND_MS);
  }

  private void refuseIfFull() throws Unavailable {
    if (inbox.size() >= PoolLimits.QUEUED_COMMANDS) {
      throw new Unavailable("the pool is overloaded: try again in a few seconds");
    }
  }

  private <T> T await(CompletableFuture<T> answer, long ms) throws Unavailable {
    try {
      long deadline = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(ms);
      while (true) {
        try {
          return answer.get(200, TimeUnit.MILLISECONDS);
        } catch (TimeoutException e) {
          // A failed or closed pool does not answer any more.
          Optional<String> why = failure();
          if (why.isPresent()) {
            throw new Unavailable("the pool has stopped: " + why.get());
          }
          if (closing) {
            throw new Unavailable("the pool is stopping");
          }
          if (System.nanoTime() - deadline > 0) {
            throw new Unavailable("the pool did not answer within " + ms + " ms: try again");
          }
        }
      }
    } catch (ExecutionException e) {
      if (e.getCause() instanceof Unavailable u) {
        throw u;
      }
      throw new IllegalStateException("a question to the pool failed", e.getCause());
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw new Unavailable("interrupted");
    }
  }

  /// The archive, for reading.
  RecordStore records() {
    return records;
  }

  /// All movements of money, for reading.
  MoneyBook book() {
    return book;
  }

  /// Whether the log took a snapshot yet; for tests.
  long snapshots() {
    return log.snapshots();
  }

  @Override
  public void close() throws IOException {
    closing = true;
    thread.interrupt();
    judges.shutdownNow();
    comparisons.close();
    try {
      thread.join();
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    closeAll(log, records, book, lockFile);
  }

  private static void closeAll(
      @Nullable RatisLog log,
      @Nullable RecordStore records,
      @Nullable MoneyBook book,
      FileChannel lockFile)
      throws IOException {
    try (lockFile;
        book;
        records;
        log) {
      // Closed in this order: log, records, book, lock.
    }
  }
}
