package dev.perseid.node;

import com.google.protobuf.ByteString;
import dev.perseid.core.Address;
import dev.perseid.core.Hash;
import dev.perseid.core.Model;
import dev.perseid.core.SignedModelOffer;
import dev.perseid.inference.Backend;
import dev.perseid.settle.Key;
import dev.perseid.settle.SealKey;
import dev.perseid.wire.Malformed;
import dev.perseid.wire.Translation;
import dev.perseid.wire.v1.InferenceGrpc;
import dev.perseid.wire.v1.Proto;
import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.ClientCall;
import io.grpc.ClientInterceptor;
import io.grpc.ClientInterceptors;
import io.grpc.ForwardingClientCall;
import io.grpc.Metadata;
import io.grpc.MethodDescriptor;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.concurrent.ArrayBlockingQueue;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.RejectedExecutionException;
import java.util.concurrent.ScheduledThreadPoolExecutor;
import java.util.concurrent.ThreadLocalRandom;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.concurrent.locks.Condition;
import java.util.concurrent.locks.ReentrantLock;
import java.util.function.Consumer;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;

/// Serves models: prepares them, holds the stream of orders beside the provider's own stream, and
/// signs the bills.
///
/// The stream belongs to a session of the provider's own stream, and ends with it. By itself it is
/// opened again after growing pauses. Models are prepared one after the other, and offered as they
/// become ready. Safe for any thread.
final class ProviderServing implements AutoCloseable {
  /// Who is served, and how it is told.
  ///
  /// @param region where the provider stands
  /// @param sealKey opens sealed requests; empty: they are not taken
  /// @param notices gets a line for people now and then, on any thread
  /// @param changed is run when [#settled] may have become true, on any thread
  record Setting(
      Key key,
      Address pool,
      String region,
      List<ServedModel> models,
      Optional<SealKey> sealKey,
      Consumer<String> notices,
      Runnable changed) {}

  /// A connection to the pool on which the provider was welcomed.
  private static final class Link {
    final Channel channel;
    final long session;

    Link(Channel channel, long session) {
      this.channel = channel;
      this.session = session;
    }
  }

  /// A model that is not served yet.
  private static final class Pending {
    long waitMs = ServingLimits.PREPARE_MS;
    long dueNs = System.nanoTime();
    String problem = "";
  }

  private static final Metadata.Key<String> AUTHORIZATION =
      Metadata.Key.of("authorization", Metadata.ASCII_STRING_MARSHALLER);

  private final Setting setting;
  private final BackendMaker maker;
  private final ServedBook book;
  private final long madeUs = ServedOrder.wallUs();
  private final Map<Hash, Station> byOffer = new ConcurrentHashMap<>();
  private final ScheduledThreadPoolExecutor clock;
  private final ThreadPoolExecutor bills;
  private final Thread streams;
  private final Thread workshop;

  private final ReentrantLock lock = new ReentrantLock();
  private final Condition moved = lock.newCondition();

  // Guarded by the lock.
  private final Map<ServedModel, Station> stations = new LinkedHashMap<>();
  private final Map<ServedModel, Pending> pending = new LinkedHashMap<>();
  private @Nullable Link link;
  private int generation;

  private volatile @Nullable ServingCall current;
  private volatile boolean closed;
  private volatile boolean leaving;

  /// Bills that have come and are not yet answered.
  private final AtomicInteger checking = new AtomicInteger();

  private volatile long leavingSinceNs;

  // On the clock's thread only.
  private long healthNs = System.nanoTime();
  private Map<ByteString, String> told = Map.of();
  private final Map<ByteString, String> shown = new HashMap<>();

  private final ServingCall.Host host =
      new ServingCall.Host() {
        @Override
        public @Nullable Station station(Hash offer) {
          return byOffer.get(offer);
        }

        @Override
        public boolean leaving() {
          return leaving;
        }

        @Override
        public void bill(ServingCall call, Proto.Bill bill) {
          takeBill(call, bill);
        }

        @Override
        public void changed() {
          wake();
          setting.changed().run();
        }

        @Override
        public void later(Runnable work, long delayNs) {
          try {
            var _ = clock.schedule(work, delayNs, TimeUnit.NANOSECONDS);
          } catch (RejectedExecutionException e) {
            // It stops: what is left is told when the stream ends.
          }
        }
      };

  ProviderServing(Setting setting, BackendMaker maker) {
    this.setting = setting;
    this.maker = maker;
    this.book = new ServedBook(setting.pool(), setting.key());
    for (ServedModel m : setting.models()) {
      pending.put(m, new Pending());
    }
    clock =
        new ScheduledThreadPoolExecutor(
            1, r -> Thread.ofPlatform().daemon().name("serving-clock").unstarted(r));
    bills =
        new ThreadPoolExecutor(
            1,
            1,
            0,
            TimeUnit.SECONDS,
            new ArrayBlockingQueue<>(ServingLimits.WAITING_BILLS),
            r -> Thread.ofPlatform().daemon().name("serving-bills").unstarted(r));
    streams = Thread.ofPlatform().daemon().name("serving-stream").unstarted(this::hold);
    workshop = Thread.ofPlatform().daemon().name("serving-models").unstarted(this::prepare);
  }

  /// Begins; does nothing before the provider is connected.
  void start() {
    streams.start();
    workshop.start();
    var _ =
        clock.scheduleWithFixedDelay(
            this::tick, ServingLimits.TICK_MS, ServingLimits.TICK_MS, TimeUnit.MILLISECONDS);
  }

  /// The provider was welcomed.
  ///
  /// @param token the newest token of a session, asked for at each call
  /// @param session what the welcome says
  void connected(Channel channel, Supplier<Optional<String>> token, long session) {
    lock.lock();
    try {
      link = new Link(ClientInterceptors.intercept(channel, authorised(token)), session);
      moved.signalAll();
    } finally {
      lock.unlock();
    }
  }

  private static ClientInterceptor authorised(Supplier<Optional<String>> token) {
    return new ClientInterceptor() {
      @Override
      public <Q, R> ClientCall<Q, R> interceptCall(
          MethodDescriptor<Q, R> method, CallOptions options, Channel next) {
        return new ForwardingClientCall.SimpleForwardingClientCall<Q, R>(
            next.newCall(method, options)) {
          @Override
          public void start(Listener<R> listener, Metadata headers) {
            token.get().ifPresent(t -> headers.put(AUTHORIZATION, "Bearer " + t));
            super.start(listener, headers);
          }
        };
      }
    };
  }

  /// The provider's own stream is over, and with it this one.
  void disconnected() {
    lock.lock();
    try {
      link = null;
      moved.signalAll();
    } finally {
      lock.unlock();
    }
  }

  /// Takes no more orders; what runs goes on.
  void leave() {
    leavingSinceNs = System.nanoTime();
    leaving = true;
    ServingCall call = current;
    if (call != null) {
      call.health(health());
    }
    host.changed();
  }

  /// Whether, after [#leave], nothing runs, what ran was billed or has had the time for it, and the
  /// pool has all that was said: the stream is ended as soon as it is not needed any more, and the
  /// pool's end of it tells that the last signature has arrived.
  boolean settled() {
    if (!leaving) {
      return true;
    }
    ServingCall call = current;
    if (call == null || call.ended().isDone()) {
      return true;
    }
    if (call.running() > 0 || checking.get() > 0) {
      return false;
    }
    long sinceNs = System.nanoTime() - Math.max(leavingSinceNs, book.lastEndNs());
    long patienceNs = ServingLimits.LAST_BILLS_MS * 1_000_000;
    if (book.unbilled() > 0 && sinceNs < patienceNs) {
      return false;
    }
    call.complete();
    return sinceNs > 2 * patienceNs;
  }

  /// Breaks off what runs, and tells the pool so.
  void stopAll() {
    ServingCall call = current;
    if (call != null) {
      call.breakOff();
    }
  }

  /// How the models are doing, in the order in which they were named.
  List<ModelStatus> status() {
    lock.lock();
    try {
      List<ModelStatus> all = new ArrayList<>();
      for (ServedModel m : setting.models()) {
        Station station = stations.get(m);
        Pending p = pending.get(m);
        if (station != null) {
          all.add(station.status());
        } else if (p != null) {
          ModelStatus.Stage stage =
              p.problem.isEmpty() ? ModelStatus.Stage.PREPARED : ModelStatus.Stage.FAILED;
          all.add(new ModelStatus(m.model(), stage, 0, 0, 0, p.problem));
        }
      }
      return all;
    } finally {
      lock.unlock();
    }
  }

  @Override
  public void close() {
    closed = true;
    wake();
    workshop.interrupt();
    streams.interrupt();
    ServingCall call = current;
    if (call != null) {
      call.cancel("closed");
    }
    clock.shutdownNow();
    bills.shutdownNow();
    List<Station> all;
    lock.lock();
    try {
      all = List.copyOf(stations.values());
      stations.clear();
    } finally {
      lock.unlock();
    }
    all.forEach(Station::close);
    maker.close();
  }

  private void wake() {
    lock.lock();
    try {
      moved.signalAll();
    } finally {
      lock.unlock();
    }
  }

  // ---- models ----

  private void prepare() {
    try {
      while (!closed) {
        Link now = awaitWork();
        PoolCatalog catalog;
        try {
          catalog = PoolCatalog.ask(now.channel);
        } catch (StatusRuntimeException | Malformed e) {
          // The stream, which needs the catalog too, says why.
          pause(ServingLimits.PREPARE_MS);
          continue;
        }
        for (ServedModel served : due()) {
          prepare(served, catalog);
        }
      }
    } catch (InterruptedException e) {
      // Closed.
    }
  }

  /// Waits until there is a connection and a model to prepare.
  private Link awaitWork() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (true) {
        long waitNs = Long.MAX_VALUE;
        for (Pending p : pending.values()) {
          waitNs = Math.min(waitNs, p.dueNs - System.nanoTime());
        }
        Link now = link;
        if (now != null && waitNs <= 0) {
          return now;
        }
        if (now == null || waitNs == Long.MAX_VALUE) {
          moved.await();
        } else {
          moved.awaitNanos(waitNs);
        }
      }
    } finally {
      lock.unlock();
    }
  }

  private List<ServedModel> due() {
    lock.lock();
    try {
      List<ServedModel> due = new ArrayList<>();
      pending.forEach((m, p) -> {
        if (p.dueNs - System.nanoTime() <= 0) {
          due.add(m);
        }
      });
      return due;
    } finally {
      lock.unlock();
    }
  }

  private void prepare(ServedModel served, PoolCatalog catalog) throws InterruptedException {
    try {
      Model model =
          catalog
              .find(served.model())
              .orElseThrow(() ->
                  new ModelUnusable(
                      "it is not published in this pool, or was withdrawn; `perseid model list`"
                          + " shows what is"));
      lock.lock();
      try {
        for (Station other : stations.values()) {
          if (other.model.manifest().equals(model.manifest())) {
            throw new ModelUnusable("it is the same as another model here: name it once");
          }
        }
      } finally {
        lock.unlock();
      }
      Backend backend = maker.make(served, model);
      Station station =
          new Station(
              served,
              model,
              backend,
              setting.region(),
              setting.sealKey().map(SealKey::publicKey),
              madeUs);
      place(served, station);
      setting.notices().accept("model " + model.fullName() + " is ready: " + backend.name());
    } catch (ModelUnusable e) {
      postpone(served, String.valueOf(e.getMessage()));
    } catch (RuntimeException bug) {
      postpone(served, "a bug: " + bug);
    }
  }

  private void place(ServedModel served, Station station) {
    boolean late;
    lock.lock();
    try {
      late = closed;
      if (!late) {
        pending.remove(served);
        stations.put(served, station);
        generation++;
        moved.signalAll();
      }
    } finally {
      lock.unlock();
    }
    if (late) {
      station.close();
    }
  }

  private void postpone(ServedModel served, String problem) {
    boolean fresh = false;
    lock.lock();
    try {
      Pending p = pending.get(served);
      if (p != null) {
        fresh = !p.problem.equals(problem);
        p.problem = problem;
        p.dueNs = System.nanoTime() + p.waitMs * 1_000_000;
        p.waitMs = Math.min(ServingLimits.PREPARE_MAX_MS, 2 * p.waitMs);
      }
    } finally {
      lock.unlock();
    }
    if (fresh && !closed) {
      setting.notices().accept("model " + served.model() + " cannot be served: " + problem);
    }
  }

  // ---- the stream ----

  private void hold() {
    long waitMs = ServingLimits.REOPEN_MS;
    try {
      while (!closed) {
        Link now = awaitStations();
        long beganNs = System.nanoTime();
        String problem = serve(now);
        if (closed || leaving) {
          return;
        }
        if (moved(now)) {
          waitMs = ServingLimits.REOPEN_MS;
          continue;
        }
        if (System.nanoTime() - beganNs > ServingLimits.REOPEN_MAX_MS * 1_000_000) {
          waitMs = ServingLimits.REOPEN_MS; // it held for a while
        }
        long jittered = waitMs / 2 + ThreadLocalRandom.current().nextLong(waitMs / 2 + 1);
        setting.notices().accept(problem + "; offering the models again in " + jittered + " ms");
        pauseWhile(now, jittered);
        waitMs = Math.min(ServingLimits.REOPEN_MAX_MS, 2 * waitMs);
      }
    } catch (InterruptedException e) {
      // Closed.
    }
  }

  private Link awaitStations() throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (true) {
        Link now = link;
        if (now != null && !stations.isEmpty()) {
          return now;
        }
        moved.await();
      }
    } finally {
      lock.unlock();
    }
  }

  private boolean moved(Link from) {
    lock.lock();
    try {
      return link != from;
    } finally {
      lock.unlock();
    }
  }

  private void pause(long ms) throws InterruptedException {
    long endNs = System.nanoTime() + ms * 1_000_000;
    lock.lockInterruptibly();
    try {
      for (long left = endNs - System.nanoTime(); left > 0 && !closed; ) {
        left = moved.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }

  private void pauseWhile(Link same, long ms) throws InterruptedException {
    long left = ms * 1_000_000;
    lock.lockInterruptibly();
    try {
      while (left > 0 && !closed && link == same) {
        left = moved.awaitNanos(left);
      }
    } finally {
      lock.unlock();
    }
  }

  /// One stream, from its beginning to its end. Returns why it ended.
  private String serve(Link now) throws InterruptedException {
    ServingCall call = new ServingCall(host, book, setting.sealKey().orElse(null));
    try {
      int seen = generation();
      List<SignedModelOffer> offers = offers(PoolCatalog.ask(now.channel));
      if (offers.isEmpty()) {
        return "none of the models is listed by the pool any more";
      }
      var _ = InferenceGrpc.newStub(now.channel).serve(call);
      current = call;
      call.hello(now.session, offers);
      call.health(health());
      long deadlineNs = System.nanoTime() + ServingLimits.ANSWER_MS * 1_000_000;
      boolean said = false;
      while (true) {
        boolean welcomed = call.welcome().isDone();
        if (welcomed && !said) {
          said = true;
          setting
              .notices()
              .accept(
                  offers.size()
                      + (offers.size() == 1 ? " model is" : " models are")
                      + " offered to the pool");
        }
        if (call.ended().isDone()) {
          return call.ended().join();
        }
        if (!welcomed && System.nanoTime() - deadlineNs > 0) {
          return "the pool did not take the models within " + ServingLimits.ANSWER_MS + " ms";
        }
        switch (await(call, now, seen, welcomed ? Long.MAX_VALUE : deadlineNs)) {
          case ENDED, NOTHING -> {}
          case MOVED -> {
            return "the connection to the pool was lost";
          }
          case GREW -> {
            seen = generation();
            offers = offers(PoolCatalog.ask(now.channel));
            call.hello(now.session, offers);
            call.health(health());
          }
        }
      }
    } catch (StatusRuntimeException e) {
      Status s = e.getStatus();
      return "the pool's catalog cannot be read ("
          + s.getCode()
          + (s.getDescription() == null ? ")" : ": " + s.getDescription() + ")");
    } catch (Malformed e) {
      return "the pool's catalog is malformed: " + e.getMessage();
    } finally {
      call.cancel("closed");
    }
  }

  private enum Turn {
    ENDED,
    MOVED,
    GREW,
    NOTHING
  }

  private Turn await(ServingCall call, Link same, int seen, long deadlineNs)
      throws InterruptedException {
    lock.lockInterruptibly();
    try {
      while (true) {
        if (closed || link != same) {
          return Turn.MOVED;
        }
        if (call.ended().isDone()) {
          return Turn.ENDED;
        }
        if (generation != seen) {
          return Turn.GREW;
        }
        if (deadlineNs == Long.MAX_VALUE) {
          moved.await();
        } else {
          long left = deadlineNs - System.nanoTime();
          if (left <= 0 || call.welcome().isDone()) {
            return Turn.NOTHING;
          }
          moved.awaitNanos(left);
        }
      }
    } finally {
      lock.unlock();
    }
  }

  private int generation() {
    lock.lock();
    try {
      return generation;
    } finally {
      lock.unlock();
    }
  }

  /// The offers of all stations whose models the pool lists.
  private List<SignedModelOffer> offers(PoolCatalog catalog) {
    List<Station> now;
    lock.lock();
    try {
      now = List.copyOf(stations.values());
    } finally {
      lock.unlock();
    }
    List<SignedModelOffer> offers = new ArrayList<>();
    for (Station s : now) {
      if (catalog.lists(s.model.manifest())) {
        SignedModelOffer offer = s.offer(setting.key(), catalog.poolPermille());
        book.offered(offer, s.model);
        byOffer.put(offer.hash(), s);
        offers.add(offer);
      } else {
        setting
            .notices()
            .accept("model " + s.model.fullName() + " was withdrawn: it is not offered any more");
      }
    }
    return offers;
  }

  // ---- the clock, the bills ----

  private void tick() {
    long now = System.nanoTime();
    List<Station> all;
    lock.lock();
    try {
      all = List.copyOf(stations.values());
    } finally {
      lock.unlock();
    }
    all.forEach(s -> s.sweep(now));
    if (leaving) {
      setting.changed().run();
    }
    ServingCall call = current;
    if (call == null || call.ended().isDone() || !call.welcome().isDone()) {
      return;
    }
    List<Proto.ModelHealth> health = health();
    Map<ByteString, String> problems = new HashMap<>();
    for (Proto.ModelHealth h : health) {
      problems.put(h.getModel(), h.getHealthy() ? "" : "!" + h.getProblem());
    }
    boolean changed = !problems.equals(told);
    told = problems;
    if (changed || now - healthNs >= ServingLimits.HEALTH_MS * 1_000_000) {
      healthNs = now;
      call.health(health);
    }
    if (!changed && !leaving) {
      tell(all, problems); // what lasted for a tick
    }
  }

  private void tell(List<Station> all, Map<ByteString, String> problems) {
    for (Station s : all) {
      ByteString model = Translation.bytes(s.model.manifest());
      String is = problems.getOrDefault(model, "");
      String was = shown.getOrDefault(model, "");
      if (!is.equals(was)) {
        shown.put(model, is);
        setting
            .notices()
            .accept(
                "model "
                    + s.model.fullName()
                    + (is.isEmpty() ? " answers again" : " does not answer: " + is.substring(1)));
      }
    }
  }

  private List<Proto.ModelHealth> health() {
    lock.lock();
    try {
      List<Proto.ModelHealth> all = new ArrayList<>();
      for (Station s : stations.values()) {
        all.add(s.health(leaving));
      }
      return all;
    } finally {
      lock.unlock();
    }
  }

  private void takeBill(ServingCall call, Proto.Bill bill) {
    checking.incrementAndGet();
    try {
      bills.execute(() -> {
        Proto.BillSignature answer = book.sign(bill);
        if (answer.getSignature().isEmpty() && !closed) {
          setting
              .notices()
              .accept(
                  "WARNING: the pool's bill "
                      + bill.getNumber()
                      + " is not signed, and not paid: "
                      + answer.getReason());
        }
        call.answer(answer);
        checking.decrementAndGet();
        if (leaving) {
          setting.changed().run();
        }
      });
    } catch (RejectedExecutionException e) {
      call.answer(
          Proto.BillSignature.newBuilder()
              .setNumber(bill.getNumber())
              .setReason("too many bills at once: send fewer records more often")
              .build());
      checking.decrementAndGet();
    }
  }
}
