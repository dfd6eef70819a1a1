package dev.perseid.node;

import dev.perseid.core.Address;
import dev.perseid.core.Capability;
import dev.perseid.core.Offer;
import dev.perseid.core.Price;
import dev.perseid.core.ProbeAnswer;
import dev.perseid.core.Rejection;
import dev.perseid.core.ToProvider;
import dev.perseid.sandbox.Gpu;
import dev.perseid.sandbox.GpuWorker;
import dev.perseid.sandbox.Isolation;
import dev.perseid.sandbox.Natives;
import dev.perseid.sandbox.Sandbox;
import dev.perseid.sandbox.SandboxConfig;
import dev.perseid.settle.SealKey;
import java.io.IOException;
import java.net.URI;
import java.nio.channels.FileChannel;
import java.nio.channels.OverlappingFileLockException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.time.Duration;
import java.time.Instant;
import java.util.List;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/// A running provider: connects outwards to its pool, runs what it is leased, and survives lost
/// connections without losing a result.
///
/// One thread runs the [ProviderLoop]; everything that happens elsewhere (messages, ends of
/// attempts) reaches it through a queue that it empties in batches.
public final class ProviderNode implements AutoCloseable {
  /// How the provider is doing.
  ///
  /// @param connected whether the pool has welcomed the present connection
  /// @param load how much there is to do
  /// @param models the models that it serves, in the order in which they were named
  public record Status(boolean connected, ProviderLoop.Load load, List<ModelStatus> models) {
    /// Of a provider that serves no models.
    public Status(boolean connected, ProviderLoop.Load load) {
      this(connected, load, List.of());
    }
  }

  /// What the loop's thread is told.
  private sealed interface Said {
    record Connected(ProviderStream stream) implements Said {}

    record Disconnected(ProviderStream stream) implements Said {}

    record Message(ProviderStream stream, ToProvider message) implements Said {}

    record Ended(long lease, Attempt attempt) implements Said {}

    record Probed(ProbeAnswer answer) implements Said {}

    record Drain() implements Said {}

    record StopAll() implements Said {}
  }

  private final ProviderConfig config;
  private final Consumer<String> notices;
  private final FileChannel lockFile;
  private final Sandbox sandbox;
  private final Optional<Natives> natives;
  private final GpuRack gpus;
  private final Offer offer;
  private final ProviderRunner runner;
  private final ProviderLoop loop;
  private final ProviderConnector connector;
  private final Optional<ProviderServing> serving;
  private final Thread loopThread;

  private final ConcurrentLinkedQueue<Said> inbox = new ConcurrentLinkedQueue<>();
  private volatile boolean parked;
  private volatile boolean closing;
  private volatile Status status = new Status(false, new ProviderLoop.Load(0, 0, 0));
  private final CountDownLatch drained = new CountDownLatch(1);
  private final CompletableFuture<String> failure = new CompletableFuture<>();

  // On the loop's thread only.
  private @Nullable ProviderStream current;

  /// The measurement of which a probe came last.
  private long measurement;

  private ProviderNode(
      ProviderConfig config,
      Consumer<String> notices,
      FileChannel lockFile,
      Sandbox sandbox,
      Optional<Natives> natives,
      List<Gpu> found,
      Foundry makers)
      throws IOException, InterruptedException {
    this.natives = natives;
    this.gpus = new GpuRack(found, config.directory().resolve("gpus"), this::gpuLost);
    this.config = config;
    this.notices = notices;
    this.lockFile = lockFile;
    this.sandbox = sandbox;
    Path directory = config.directory();
    Capability capability =
        config.measured()
            ? Benchmark.run(sandbox, config.key().address().toString(), directory)
            : Capability.UNMEASURED;
    offer =
        new Offer(
            config.key().address(),
            config.terms().name(),
            Machine.description(),
            config.terms().region(),
            config.lent().cores(),
            config.lent().memoryBytes(),
            gpus.lent(gpuMemoryBytes(config, found)),
            price(config),
            capability,
            wallUs());
    connector = new ProviderConnector(config.key(), config.pool(), new ConnectorEvents());
    ProviderTransfer transfer =
        new ProviderTransfer(
            base(config.pool()),
            connector.tls(),
            connector::token,
            ProviderTransfer.Patience.USUAL);
    ProviderBlobs blobs =
        ProviderBlobs.open(
            directory.resolve("blobs"),
            config.lent().cacheBytes(),
            ProviderLimits.CACHE_ROOM_MS,
            transfer);
    runner =
        new ProviderRunner(
            config.electricity(),
            sandbox,
            natives,
            gpus,
            sandboxMemoryBytes(config),
            blobs,
            transfer,
            (lease, attempt) -> tell(new Said.Ended(lease, attempt)),
            answer -> tell(new Said.Probed(answer)));
    serving =
        config.models().isEmpty()
            ? Optional.empty()
            : Optional.of(
                new ProviderServing(
                    new ProviderServing.Setting(
                        config.key(),
                        config.pool().address(),
                        config.terms().region(),
                        config.models(),
                        sealKey(config),
                        notices,
                        this::wake),
                    makers.maker(config, sandbox, transfer, notices)));
    loop =
        new ProviderLoop(
            config.pool().address(),
            offer,
            natives.flatMap(_ -> Natives.platform()),
            config.operator(),
            config.electricity().gPerKwh(),
            new ProviderSeal(config.key()),
            runner);
    loopThread = Thread.ofPlatform().name("provider-loop").daemon().unstarted(this::run);
  }

  /// Opens the sandbox, measures the machine and begins to connect; does not wait for the pool.
  ///
  /// @param notices gets a line for people whenever the connection comes or goes; called on any
  ///   thread
  /// @throws IOException if the folder cannot be used, e.g. because another provider uses it
  public static ProviderNode start(ProviderConfig config, Consumer<String> notices)
      throws IOException, InterruptedException {
    return start(config, notices, Workshop::new, GpuWorker::find);
  }

  /// Where GPUs are looked for.
  interface GpuFinder {
    /// As [GpuWorker#find(Path, boolean)].
    GpuWorker.Found find(Path directory, boolean processorsToo) throws InterruptedException;
  }

  /// Where the backends of a node's models are made.
  interface Foundry {
    /// What makes the backends.
    ///
    /// @param sandbox runs portable models
    /// @param transfer brings files from the pool
    BackendMaker maker(
        ProviderConfig config, Sandbox sandbox, ProviderTransfer transfer, Consumer<String> notices)
        throws IOException;
  }

  /// As [#start], with other backends.
  static ProviderNode start(ProviderConfig config, Consumer<String> notices, Foundry makers)
      throws IOException, InterruptedException {
    return start(config, notices, makers, GpuWorker::find);
  }

  /// As [#start], with other GPUs.
  static ProviderNode start(ProviderConfig config, Consumer<String> notices, GpuFinder finder)
      throws IOException, InterruptedException {
    return start(config, notices, Workshop::new, finder);
  }

  private static ProviderNode start(
      ProviderConfig config, Consumer<String> notices, Foundry makers, GpuFinder finder)
      throws IOException, InterruptedException {
    Files.createDirectories(config.directory());
    FileChannel lockFile = lock(config.directory());
    boolean started = false;
    Sandbox sandbox = null;
    Optional<Natives> natives = Optional.empty();
    try {
      natives = natives(config);
      List<Gpu> gpus = gpus(config, finder);
      sandbox = Sandbox.open(sandboxConfig(config));
      ProviderNode node =
          new ProviderNode(config, notices, lockFile, sandbox, natives, gpus, makers);
      node.loopThread.start();
      node.serving.ifPresent(ProviderServing::start);
      node.connector.start();
      started = true;
      return node;
    } finally {
      if (!started) {
        if (sandbox != null) {
          sandbox.close();
        }
        natives.ifPresent(Natives::close);
        lockFile.close();
      }
    }
  }

  private static Optional<Natives> natives(ProviderConfig config) throws IOException {
    if (!config.natives()) {
      return Optional.empty();
    }
    if (Natives.platform().isEmpty()) {
      throw new IOException(
          "native programs run on Linux only (x86_64 or aarch64), and this is "
              + System.getProperty("os.name")
              + " on "
              + System.getProperty("os.arch")
              + ": leave --native out");
    }
    Natives opened = Natives.open(config.directory().resolve("natives"));
    if (opened.isolation().kind() == Isolation.Kind.NONE) {
      opened.close();
      throw new IOException(opened.isolation().reason() + ": mend that, or leave --native out");
    }
    return Optional.of(opened);
  }

  private void gpuLost() {
    notices.accept(
        "a program that could not be ended still holds a GPU: what runs is ended, and nothing more"
            + " is taken; restart the provider, or the machine if that does not help");
    tell(new Said.Drain());
  }

  /// The GPUs that are lent: the first ones.
  private static List<Gpu> gpus(ProviderConfig config, GpuFinder finder)
      throws IOException, InterruptedException {
    if (config.gpus().isEmpty()) {
      return List.of();
    }
    ProviderConfig.LentGpus lent = config.gpus().get();
    GpuWorker.Found found =
        finder.find(config.directory().resolve("gpus").resolve("all"), lent.processorsToo());
    int there = found.gpus().size();
    if (there < lent.count()) {
      throw new IOException(
          "--gpus "
              + lent.count()
              + ": this machine has "
              + (there == 0 ? "none" : there)
              + (found.problem().isEmpty() ? "" : ". " + found.problem())
              + " (`perseid gpus` lists them)");
    }
    List<Gpu> first = found.gpus().subList(0, lent.count());
    for (Gpu gpu : first) {
      if (gpu.deviceFiles().isEmpty() && !lent.processorsToo()) {
        throw new IOException(
            "--gpus "
                + lent.count()
                + ": no file of /dev is known for '"
                + gpu.name()
                + "', so that programs in containers could not use it: lend those before it only"
                + " (`perseid gpus` lists them)");
      }
    }
    long least = first.stream().mapToLong(Gpu::memoryBytes).min().orElseThrow();
    if (lent.memoryBytes().orElse(0) > least) {
      throw new IOException(
          "--gpu-memory-mib: one of the GPUs has only "
              + (least >> 20)
              + " MiB: write at most that, or lend fewer GPUs");
    }
    return first;
  }

  /// What is lent of each GPU: seven eighths of the smallest one, as drivers keep some.
  private static long gpuMemoryBytes(ProviderConfig config, List<Gpu> gpus) {
    return config
        .gpus()
        .map(ProviderConfig.LentGpus::memoryBytes)
        .orElse(OptionalLong.empty())
        .orElseGet(() -> gpus.stream().mapToLong(Gpu::memoryBytes).min().orElse(0) / 8 * 7);
  }

  private static Price price(ProviderConfig config) {
    return config
        .terms()
        .price()
        .withGpus(config.gpus().map(ProviderConfig.LentGpus::perGpuSecond).orElse(0L));
  }

  /// The provider's name in the pool.
  public Address address() {
    return offer.provider();
  }

  /// What it lends and on which terms.
  public Offer offer() {
    return offer;
  }

  /// What stands between tasks and this machine.
  public Isolation isolation() {
    return sandbox.isolation();
  }

  /// How it is doing, as of the loop's last turn.
  public Status status() {
    Status last = status;
    return new Status(
        last.connected(), last.load(), serving.map(ProviderServing::status).orElse(List.of()));
  }

  /// Completes with one sentence if the provider cannot go on: the pool refuses it for good, or is
  /// not the pool that it should be.
  public CompletableFuture<String> failure() {
    return failure.copy();
  }

  /// Takes nothing new, gives back what has not begun, ends what runs, and waits until the pool has
  /// everything. What still runs at the deadline is stopped and reported as cancelled, so that the
  /// pool gives it to others at once.
  ///
  /// @return whether the pool has everything
  public boolean drain(Duration deadline) throws InterruptedException {
    tell(new Said.Drain());
    if (drained.await(deadline.toNanos(), TimeUnit.NANOSECONDS)) {
      return true;
    }
    tell(new Said.StopAll());
    return drained.await(ProviderLimits.STOPPED_REPORT_MS, TimeUnit.MILLISECONDS);
  }

  /// Ends at once: what runs is stopped and its results are lost. Does nothing the second time.
  @Override
  public void close() {
    closing = true;
    wake();
    connector.close();
    serving.ifPresent(ProviderServing::close);
    runner.close();
    sandbox.close();
    natives.ifPresent(Natives::close);
    gpus.close();
    try {
      lockFile.close();
    } catch (IOException e) {
      notices.accept("the lock of " + config.directory() + " could not be released: " + e);
    }
  }

  private static FileChannel lock(Path directory) throws IOException {
    Path file = directory.resolve("lock");
    FileChannel channel =
        FileChannel.open(file, StandardOpenOption.CREATE, StandardOpenOption.WRITE);
    boolean mine;
    try {
      mine = channel.tryLock() != null;
    } catch (OverlappingFileLockException e) {
      mine = false;
    }
    if (!mine) {
      channel.close();
      throw new IOException(
          "another provider uses " + directory + ": stop it, or give this one another folder");
    }
    return channel;
  }

  private static SandboxConfig sandboxConfig(ProviderConfig config) {
    Path directory = config.directory();
    SandboxConfig plain =
        SandboxConfig.in(directory.resolve("sandbox"))
            .withSlots(config.lent().cores())
            .withMaxChildren(config.lent().consumers())
            .withMemoryBytes(sandboxMemoryBytes(config))
            .withDemand(
                config.isolationRequired()
                    ? SandboxConfig.Demand.REQUIRED
                    : SandboxConfig.Demand.PREFERRED);
    return config.engineCache().map(plain::withAotCache).orElse(plain);
  }

  /// The most that one task can use: what is lent, or what profile 1 can address.
  private static long sandboxMemoryBytes(ProviderConfig config) {
    return Math.min(config.lent().memoryBytes(), ProviderLimits.TASK_MEMORY_BYTES);
  }

  /// Where sealed requests are taken, the key that opens them.
  private static Optional<SealKey> sealKey(ProviderConfig config) throws IOException {
    return config.models().stream().anyMatch(ServedModel::sealed)
        ? Optional.of(SealKey.loadOrCreate(config.directory()))
        : Optional.empty();
  }

  private static URI base(ProviderConfig.PoolAt pool) {
    String host = pool.host().contains(":") ? "[" + pool.host() + "]" : pool.host();
    return URI.create((pool.tls() ? "https://" : "http://") + host + ":" + pool.port());
  }

  private static long wallUs() {
    Instant now = Instant.now();
    return now.getEpochSecond() * 1_000_000 + now.getNano() / 1_000;
  }

  private static long nowUs() {
    return System.nanoTime() / 1_000;
  }

  private void tell(Said what) {
    inbox.add(what);
    wake();
  }

  private void wake() {
    if (parked) {
      LockSupport.unpark(loopThread);
    }
  }

  private void run() {
    try {
      while (!closing) {
        int taken = 0;
        Said said;
        while (taken++ < ProviderLimits.TURN_MESSAGES && (said = inbox.poll()) != null) {
          handle(said);
        }
        boolean served = serving.map(ProviderServing::settled).orElse(true);
        loop.linger(!served);
        loop.turn(nowUs());
        status = new Status(loop.welcomed(), loop.load());
        if (served && loop.drained()) {
          drained.countDown();
        }
        sleep();
      }
    } catch (RuntimeException | Error bug) {
      failure.complete("the provider stopped because of a bug: " + bug);
      throw bug;
    }
  }

  private void sleep() {
    long us = loop.wakeUs(nowUs()) - nowUs();
    if (us <= 0) {
      return;
    }
    parked = true;
    // Whoever adds to the queue after this check sees that the thread is parked.
    if (inbox.isEmpty() && !closing) {
      LockSupport.parkNanos(
          TimeUnit.MICROSECONDS.toNanos(Math.min(us, ProviderLimits.LONGEST_SLEEP_US)));
    }
    parked = false;
  }

  private void handle(Said said) {
    switch (said) {
      case Said.Connected s -> {
        current = s.stream();
        loop.connected(s.stream()::send, nowUs());
      }
      case Said.Disconnected s -> {
        if (current == s.stream()) {
          current = null;
          serving.ifPresent(ProviderServing::disconnected);
          loop.disconnected(nowUs());
        }
      }
      case Said.Message s -> {
        if (current == s.stream()) {
          loop.receive(s.message(), nowUs());
          told(s.message());
        }
        s.stream().handled();
      }
      case Said.Ended s -> loop.ended(s.lease(), s.attempt(), nowUs());
      case Said.Probed s -> loop.probed(s.answer(), nowUs());
      case Said.Drain s -> {
        serving.ifPresent(ProviderServing::leave);
        loop.drain(nowUs());
      }
      case Said.StopAll s -> {
        serving.ifPresent(ProviderServing::stopAll);
        loop.stopAll();
      }
    }
  }

  private void told(ToProvider message) {
    switch (message) {
      case ToProvider.Welcome w -> {
        ProviderStream stream = current;
        if (stream != null) {
          stream.welcomed();
          serving.ifPresent(s -> s.connected(stream.channel(), connector::token, w.session()));
        }
        notices.accept("connected to pool " + config.pool().address());
      }
      case ToProvider.Refusal r -> {
        Rejection why = r.rejection();
        if (why.code() == Rejection.Code.INVALID || why.code() == Rejection.Code.FORBIDDEN) {
          fail("the pool refuses this provider: " + why.message());
        } else {
          notices.accept("the pool refused the connection: " + why.message());
        }
      }
      case ToProvider.Leases l -> {}
      case ToProvider.Stop s -> {}
      case ToProvider.Durable d -> {}
      case ToProvider.Show s -> {
        if (s.probe().id() != measurement) {
          measurement = s.probe().id();
          notices.accept("the pool measures what this machine has; work comes after that");
        }
      }
    }
  }

  private void fail(String sentence) {
    connector.close();
    failure.complete(sentence);
  }

  private final class ConnectorEvents implements ProviderConnector.Events {
    @Override
    public void connected(ProviderStream stream) {
      tell(new Said.Connected(stream));
    }

    @Override
    public void received(ProviderStream stream, ToProvider message) {
      tell(new Said.Message(stream, message));
    }

    @Override
    public void disconnected(ProviderStream stream) {
      tell(new Said.Disconnected(stream));
    }

    @Override
    public void trying(String problem, long waitMs) {
      if (drained.getCount() > 0) {
        notices.accept(problem + "; connecting again in " + waitMs + " ms");
      }
    }

    @Override
    public void refused(String sentence) {
      fail(sentence);
    }
  }
}
