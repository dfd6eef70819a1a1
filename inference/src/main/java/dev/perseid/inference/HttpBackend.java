package dev.perseid.inference;

import io.netty.channel.Channel;
import io.netty.channel.EventLoop;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.IoEventLoopGroup;
import io.netty.channel.MultiThreadIoEventLoopGroup;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollIoHandler;
import io.netty.channel.epoll.EpollSocketChannel;
import io.netty.channel.nio.NioIoHandler;
import io.netty.channel.socket.nio.NioSocketChannel;
import io.netty.util.concurrent.DefaultThreadFactory;
import io.netty.util.concurrent.EventExecutor;
import io.netty.util.concurrent.ScheduledFuture;
import java.util.ArrayList;
import java.util.List;
import java.util.NavigableSet;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/// An OpenAI-compatible server next door answers: vLLM, SGLang, llama-server, TGI, Ollama, LM
/// Studio or any other.
///
/// A body goes through as it came, but for `model`, which becomes the server's own name, and
/// `stream_options.include_usage`, which becomes true for streams. What comes back is told to be
/// done only if it is: each choice of a stream has had its `finish_reason`, a whole answer is
/// complete JSON with all that was asked for. Parts of an answer keep the server's `model` and
/// `id`.
///
/// Nothing blocks. A request that is asked on a thread of the event loop group stays on its loop,
/// on a connection that belongs to that loop; others are dealt out in turn. Cancelling closes the
/// connection, by which servers know to stop.
public final class HttpBackend implements Backend {
  private static final String CHAT = "/chat/completions";
  private static final String COMPLETION = "/completions";
  private static final String EMBEDDING = "/embeddings";

  private final HttpSettings settings;
  private final HttpPeer peer;
  private final List<HttpLane> lanes;
  private final byte[] model;
  private final byte[] chat;
  private final byte[] completion;
  private final byte[] embedding;
  private final byte[] healthPage;
  private final byte[] modelsPage;
  private final byte[] metricsPage;
  private final byte[] propsPage;
  private final AtomicInteger next = new AtomicInteger();
  private final AtomicInteger underWay = new AtomicInteger();
  private final AtomicBoolean closed = new AtomicBoolean();
  private final Runnable freed = underWay::decrementAndGet;

  private volatile String problem = "The model's server has not been asked yet.";
  private volatile Optional<ServerLoad> load = Optional.empty();
  private volatile Optional<NavigableSet<String>> honours = Optional.empty();
  private volatile OptionalInt slots = OptionalInt.empty();
  private final CountDownLatch asked = new CountDownLatch(1);

  // Of the lane that probes.
  private boolean probing;
  private boolean noHealthPage;
  private boolean noMetrics;
  private boolean introduced;
  private @Nullable ScheduledFuture<?> nextProbe;

  /// Begins to watch the server's health. Blocks for as long as its name must be looked up.
  ///
  /// @param group whose threads do the work; shared with whoever asks, it saves a change of
  ///   threads. Not closed with the backend
  /// @throws IllegalArgumentException if the certificates to trust cannot be read
  public HttpBackend(HttpSettings settings, EventLoopGroup group) {
    this.settings = settings;
    this.peer = new HttpPeer(settings, this::refused);
    this.model = JsonBytes.quote(settings.model());
    String json = "application/json";
    String path = settings.path();
    this.chat = peer.head("POST", path + CHAT, "text/event-stream, " + json);
    this.completion = peer.head("POST", path + COMPLETION, "text/event-stream, " + json);
    this.embedding = peer.head("POST", path + EMBEDDING, json);
    this.healthPage = peer.head("GET", settings.root() + "/health", "*/*");
    this.modelsPage = peer.head("GET", path + "/models", json);
    this.metricsPage = peer.head("GET", settings.root() + "/metrics", "text/plain");
    this.propsPage = peer.head("GET", settings.root() + "/props", json);
    Class<? extends Channel> type =
        group instanceof IoEventLoopGroup io && io.isIoType(EpollIoHandler.class)
            ? EpollSocketChannel.class
            : NioSocketChannel.class;
    List<HttpLane> all = new ArrayList<>();
    for (EventExecutor executor : group) {
      all.add(new HttpLane((EventLoop) executor, type, peer));
    }
    this.lanes = List.copyOf(all);
    lanes.getFirst().loop.execute(this::probe);
  }

  /// A group of event loops for a process that has none: epoll where the system has it, else NIO.
  /// Its threads do not keep the process alive.
  ///
  /// @param threads how many
  public static EventLoopGroup loops(int threads) {
    return new MultiThreadIoEventLoopGroup(
        threads,
        new DefaultThreadFactory("backend", true),
        Epoll.isAvailable() ? EpollIoHandler.newFactory() : NioIoHandler.newFactory());
  }

  @Override
  public Runnable ask(Request request, Answer answer) {
    byte[] head =
        switch (request.api()) {
          case CHAT -> chat;
          case COMPLETION -> completion;
          case EMBEDDING -> embedding;
          case INFER -> null;
        };
    if (head == null) {
      answer.failed(
          new Failure(
              Failure.Kind.INVALID,
              "This model answers chat, completions or embeddings, not the Open Inference Protocol."),
          Claim.NONE);
      return () -> {};
    }
    RequestSplice splice;
    try {
      splice = RequestSplice.of(request, model);
    } catch (BrokenAnswer e) {
      answer.failed(new Failure(Failure.Kind.INVALID, e.what()), Claim.NONE);
      return () -> {};
    }
    if (underWay.incrementAndGet() > settings.connections()) {
      underWay.decrementAndGet();
      answer.failed(
          new Failure(
              Failure.Kind.BUSY,
              "The model's server already answers " + settings.connections() + " requests.",
              "",
              "",
              OptionalLong.of(1_000)),
          Claim.NONE);
      return () -> {};
    }
    HttpLane lane = lane();
    HttpCall call = new HttpCall(lane, settings, head, request, splice, answer, freed);
    if (lane.loop.inEventLoop()) {
      lane.start(call);
    } else {
      lane.loop.execute(() -> lane.start(call));
    }
    return call;
  }

  private HttpLane lane() {
    for (HttpLane lane : lanes) {
      if (lane.loop.inEventLoop()) {
        return lane;
      }
    }
    return lanes.get(Math.floorMod(next.getAndIncrement(), lanes.size()));
  }

  @Override
  public Health health() {
    String wrong = problem;
    int own = underWay.get();
    Optional<ServerLoad> told = load;
    int running = Math.max(own, told.map(ServerLoad::running).orElse(0));
    int waiting = told.map(ServerLoad::waiting).orElse(0);
    boolean full =
        waiting > 0
            || told.map(l -> l.cachePermille() > BackendLimits.CACHE_FULL_PERMILLE).orElse(false);
    int most = Math.min(settings.parallel(), slots.orElse(Integer.MAX_VALUE));
    int parallel = full ? Math.clamp(running, 1, most) : most;
    return new Health(wrong.isEmpty(), parallel, running, waiting, wrong);
  }

  @Override
  public String name() {
    return "openai-compatible server";
  }

  @Override
  public Optional<NavigableSet<String>> honours() {
    return honours;
  }

  /// Waits until the server has been asked how it is, or did not answer, for the first time.
  ///
  /// @param ms how long, at most
  public void awaitFirstLook(long ms) throws InterruptedException {
    var _ = asked.await(ms, TimeUnit.MILLISECONDS);
  }

  /// Nobody listens at the address: known at once, without waiting for the next probe.
  private void refused() {
    if (problem.isEmpty()) {
      problem = "Nobody listens at " + settings.base() + ".";
      load = Optional.empty();
      lanes.getFirst().loop.execute(() -> probeIn(BackendLimits.PROBE_AGAIN_MS));
    }
  }

  private void probeIn(long ms) {
    ScheduledFuture<?> before = nextProbe;
    if (before != null) {
      before.cancel(false);
    }
    nextProbe = closed.get() ? null : first().loop.schedule(this::probe, ms, TimeUnit.MILLISECONDS);
  }

  private HttpLane first() {
    return lanes.getFirst();
  }

  private void probe() {
    if (probing || closed.get()) {
      return;
    }
    probing = true;
    if (!problem.isEmpty()) {
      // It may have moved; looking up a name blocks.
      Thread.ofVirtual().name("backend-address").start(peer::findAgain);
    }
    if (noHealthPage) {
      models();
    } else {
      get(healthPage, BackendLimits.FAULT_BYTES, this::healthRead);
    }
  }

  private void get(byte[] head, int limit, HttpProbe.Reader reader) {
    first().start(new HttpProbe(first(), head, limit, reader));
  }

  private void healthRead(int status, byte[] page) {
    if (status == 200) {
      metrics();
    } else if (status == 404 || status == 405 || status == 501 || status == 401 || status == 403) {
      noHealthPage = true;
      models();
    } else {
      judge(
          status == 0
              ? "The model's server at " + settings.base() + " does not answer."
              : "The model's server says that it is not well (" + status + ").");
    }
  }

  private void models() {
    get(
        modelsPage,
        BackendLimits.METRICS_BYTES,
        (status, page) -> {
          switch (status) {
            case 200, 404, 405 -> metrics();
            case 401, 403 -> judge("The model's server does not accept the key.");
            case 0 -> {
              noHealthPage = false;
              judge("The model's server at " + settings.base() + " does not answer.");
            }
            default -> judge("The model's server says that it is not well (" + status + ").");
          }
        });
  }

  private void metrics() {
    if (noMetrics) {
      introduce();
      return;
    }
    get(
        metricsPage,
        BackendLimits.METRICS_BYTES,
        (status, page) -> {
          load = status == 200 ? ServerLoad.read(page) : Optional.empty();
          noMetrics = load.isEmpty();
          introduce();
        });
  }

  /// Asks once what the server is, as long as it stays well.
  private void introduce() {
    if (introduced) {
      judge("");
      return;
    }
    get(
        modelsPage,
        BackendLimits.METRICS_BYTES,
        (status, page) -> {
          introduced = status != 0;
          honours = status == 200 ? Parameters.ofServer(page) : Optional.empty();
          if (honours.isPresent()) {
            get(propsPage, BackendLimits.METRICS_BYTES, this::propsRead);
          } else {
            judge("");
          }
        });
  }

  /// llama-server answers as many requests at once as it has slots; the others wait in it.
  private void propsRead(int status, byte[] page) {
    slots = status == 200 ? ServerLoad.slots(page) : OptionalInt.empty();
    judge("");
  }

  private void judge(String wrong) {
    if (!wrong.isEmpty()) {
      load = Optional.empty();
      // Another server may stand there when it is back.
      noMetrics = false;
      introduced = false;
      honours = Optional.empty();
      slots = OptionalInt.empty();
    }
    problem = wrong;
    probing = false;
    asked.countDown();
    probeIn(wrong.isEmpty() ? BackendLimits.PROBE_EVERY_MS : BackendLimits.PROBE_AGAIN_MS);
  }

  /// Ends what is under way with `BROKEN`, and closes all connections.
  @Override
  public void close() {
    if (closed.compareAndSet(false, true)) {
      problem = "The backend is closed.";
      for (HttpLane lane : lanes) {
        if (!lane.loop.isShuttingDown()) {
          lane.loop.execute(lane::close);
        }
      }
    }
  }
}
