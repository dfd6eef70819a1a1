package dev.perseid.gateway;

import dev.perseid.core.Hash;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.ScheduledFuture;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.OptionalLong;
import java.util.Queue;
import java.util.Set;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicBoolean;
import java.util.concurrent.atomic.AtomicLong;
import java.util.logging.Level;
import java.util.logging.Logger;
import org.jspecify.annotations.Nullable;

/// One request to a model, from its first attempt to the last byte of its answer.
///
/// Candidates are asked one after another. What goes wrong before the client has got anything of an
/// answer leads to the next one; afterwards the answer ends with an error. An answer is complete
/// only when the market says that it is: nothing else ends as a success. All state belongs to the
/// connection's loop; the market may call from any thread.
final class Exchange implements Lobby.Guest {
  private static final Logger LOG = Logger.getLogger(Exchange.class.getName());
  private static final int PIECE_BYTES = 512;

  /// A failure after this time is not tried again at the same provider, where there is no other.
  private static final long QUICK_NS = 2_000_000_000;

  private final Gateway gateway;
  private final Front front;
  private final Inbound in;
  private final Call call;
  private final Renderer renderer;
  private final EventLoop loop;
  private final Market.Caller caller;
  private final Queue<Runnable> mail = new ConcurrentLinkedQueue<>();
  private final AtomicBoolean mailed = new AtomicBoolean();
  private final AtomicLong mailBytes = new AtomicLong();

  private List<Router.Candidate> candidates = List.of();
  private int next;
  private int attempts;
  private final Set<Hash> againAt = new HashSet<>();
  private @Nullable Attempt attempt;
  private boolean asking;
  private boolean over;
  private boolean begun;
  private boolean delivered;
  private boolean readable = true;
  private int ofKey;
  private Lobby.@Nullable Seat seat;
  private @Nullable Problem last;
  private int tooLongFor;
  private @Nullable ScheduledFuture<?> timer;
  private long lastSentNs;
  private long wholeUntilNs;
  private final List<byte[]> kept = new ArrayList<>();
  private long keptBytes;

  Exchange(
      Gateway gateway, Front front, Inbound in, Dialect dialect, Call call, Renderer renderer) {
    this.gateway = gateway;
    this.front = front;
    this.in = in;
    this.call = call;
    this.renderer = renderer;
    this.loop = front.loop();
    this.caller = in.caller();
  }

  // ---- asking ---------------------------------------------------------------------------------

  /// Begins.
  ///
  /// @throws Problem if it does not: nothing has been sent then
  void start() throws Problem {
    long now = System.nanoTime();
    lastSentNs = now;
    wholeUntilNs = now + gateway.config().wholeMs() * 1_000_000;
    candidates = gateway.router(in.shelf()).candidates(call);
    ofKey = gateway.lobby().enter(caller);
    Hash model = candidates.getFirst().listing().model().manifest();
    gateway.congestion().add(model, 1);
    arm();
    if (gateway.lobby().isFree(model)) {
      ask();
    } else {
      await();
    }
  }

  /// One provider that is asked.
  private final class Attempt implements Market.Receiver {
    private final Router.Candidate candidate;
    private final long startNs = System.nanoTime();
    private long lastNs = startNs;
    private int parts;
    private @Nullable Runnable cancel;
    private boolean stopped;

    Attempt(Router.Candidate candidate) {
      this.candidate = candidate;
    }

    @Override
    public void part(byte[] json) {
      if (direct()) {
        onPart(this, json);
        return;
      }
      if (mailBytes.addAndGet(json.length) > GatewayLimits.ANSWER_BYTES) {
        mailBytes.addAndGet(-json.length);
        post(() -> broken(this, "The provider sent more than the gateway can hold."));
        return;
      }
      post(() -> {
        mailBytes.addAndGet(-json.length);
        onPart(this, json);
      });
    }

    @Override
    public void done(Market.Bill bill) {
      if (direct()) {
        onDone(this, bill);
      } else {
        post(() -> onDone(this, bill));
      }
    }

    @Override
    public void failed(Failure failure, Market.Bill bill) {
      if (direct()) {
        onFailed(this, failure);
      } else {
        post(() -> onFailed(this, failure));
      }
    }

    void stop() {
      stopped = true;
      Runnable c = cancel;
      if (c != null) {
        cancel = null;
        c.run();
      }
    }
  }

  private boolean direct() {
    return loop.inEventLoop() && !asking && mail.isEmpty();
  }

  private void post(Runnable letter) {
    mail.add(letter);
    if (mailed.compareAndSet(false, true)) {
      loop.execute(this::read);
    }
  }

  private void read() {
    mailed.set(false);
    try {
      for (Runnable letter = mail.poll(); letter != null; letter = mail.poll()) {
        letter.run();
      }
    } catch (RuntimeException e) {
      bug(e);
    }
  }

  private void bug(RuntimeException e) {
    LOG.log(Level.SEVERE, "a request could not be handled: " + in.id(), e);
    Attempt a = attempt;
    close();
    if (a != null) {
      a.stop();
    }
    front.bug();
  }

  /// Asks candidates until one takes the request.
  private void ask() {
    @Nullable String unpaid = null;
    boolean full = false;
    long fullMs = 0;
    while (next < candidates.size() && attempts < GatewayLimits.ATTEMPTS && !over) {
      Router.Candidate candidate = candidates.get(next++);
      Market.Listing listing = candidate.listing();
      if (tooLongFor > 0
          && listing.offer().contextTokens() > 0
          && listing.offer().contextTokens() <= tooLongFor) {
        continue;
      }
      Attempt a = new Attempt(candidate);
      attempt = a;
      renderer.serving(candidate.model(), listing);
      gateway.breakers().trying(listing.offerHash(), Gateway.nowMs());
      Request request =
          new Request(
              attempts == 0 ? in.id() : in.id() + "-" + attempts,
              call.api(),
              listing.model().manifest(),
              call.body(candidate.model()),
              call.stream());
      asking = true;
      Market.Placed placed;
      try {
        placed = gateway.market().ask(caller, listing, request, mostTokens(listing), a);
      } finally {
        asking = false;
      }
      switch (placed) {
        case Market.Placed.Running running -> {
          attempts++;
          a.cancel = running.cancel();
          Lobby.Seat had = seat;
          seat = null;
          if (had != null) {
            gateway.lobby().found(had, Gateway.nowMs());
          }
          if (!mail.isEmpty()) {
            read();
          }
          return;
        }
        case Market.Placed.Unpaid u -> {
          a.stopped = true;
          attempt = null;
          unpaid = u.message();
        }
        case Market.Placed.Full f -> {
          a.stopped = true;
          attempt = null;
          full = true;
          fullMs = f.retryAfterMs();
        }
      }
    }
    if (over) {
      return;
    }
    Problem failed = last;
    if (failed != null) {
      fail(failed);
    } else if (full) {
      Lobby.Seat had = seat;
      if (had != null) {
        gateway.lobby().again(had);
      } else {
        await();
      }
    } else if (unpaid != null) {
      fail(
          new Problem(Problem.Kind.UNPAID, unpaid, "", "insufficient_quota", OptionalLong.empty()));
    } else {
      fail(Lobby.tooMany("No provider has room.", Math.max(fullMs, GatewayLimits.RETRY_LEAST_MS)));
    }
  }

  private long mostTokens(Market.Listing listing) {
    long most =
        call.maxTokens()
            .orElse(
                listing.offer().contextTokens() > 0
                    ? listing.offer().contextTokens()
                    : GatewayLimits.ANSWER_TOKENS);
    if (listing.offer().contextTokens() > 0) {
      most = Math.min(most, listing.offer().contextTokens());
    }
    return most * Math.max(1, call.choices());
  }

  // ---- waiting --------------------------------------------------------------------------------

  private void await() {
    Hash model = candidates.getFirst().listing().model().manifest();
    try {
      seat = gateway.lobby().await(model, caller, this, Gateway.nowMs());
    } catch (Problem problem) {
      fail(problem);
    }
  }

  @Override
  public void turn() {
    loop.execute(() -> {
      Lobby.Seat had = seat;
      if (over) {
        // It hung up; the one behind it shall not wait for the next look.
        gateway.lobby().next(candidates.getFirst().listing().model().manifest());
        return;
      }
      if (had == null) {
        return;
      }
      try {
        candidates = gateway.router(gateway.shelf()).candidates(call);
        next = 0;
        ask();
      } catch (Problem problem) {
        fail(problem);
      } catch (RuntimeException e) {
        bug(e);
      }
    });
  }

  @Override
  public void expired(long retryAfterMs) {
    loop.execute(() -> {
      if (!over) {
        seat = null;
        fail(Lobby.tooMany("All providers of this model are busy.", retryAfterMs));
      }
    });
  }

  // ---- the answer -----------------------------------------------------------------------------

  private void onPart(Attempt a, byte[] json) {
    if (over || a != attempt || a.stopped) {
      return;
    }
    a.parts++;
    a.lastNs = System.nanoTime();
    if (!renderer.streams()) {
      keptBytes += json.length;
      if (keptBytes > GatewayLimits.ANSWER_BYTES) {
        broken(a, "The provider's answer is longer than the gateway takes.");
        return;
      }
      kept.add(json);
      return;
    }
    ByteBuf bytes = front.buffer(json.length + PIECE_BYTES);
    try {
      renderer.part(json, new Outlet(bytes));
    } catch (Problem problem) {
      bytes.release();
      broken(a, problem.text());
      return;
    }
    send(a, bytes);
  }

  private void send(Attempt a, ByteBuf bytes) {
    if (!bytes.isReadable()) {
      bytes.release();
      return;
    }
    begin(a.candidate);
    delivered = true;
    lastSentNs = a.lastNs;
    if (!front.piece(bytes)) {
      a.stop();
      attempt = null;
      readable = false;
      inBand(
          new Problem(
              Problem.Kind.SLOW,
              "The answer was not read as fast as it came; it is cut off here.",
              "client_too_slow"));
    }
  }

  private void begin(Router.@Nullable Candidate candidate) {
    if (!begun) {
      begun = true;
      front.begin(renderer.contentType(), headers(candidate));
    }
  }

  private void onDone(Attempt a, Market.Bill bill) {
    if (over || a != attempt || a.stopped) {
      return;
    }
    if (a.parts == 0) {
      failedAt(a, new Failure(Failure.Kind.BROKEN, "The provider's answer was empty."));
      return;
    }
    ByteBuf bytes = front.buffer((int) Math.min(keptBytes + PIECE_BYTES, 1 << 20));
    Outlet out = new Outlet(bytes);
    try {
      for (byte[] json : kept) {
        renderer.part(json, out);
      }
      renderer.done(bill, out);
    } catch (Problem problem) {
      bytes.release();
      failedAt(a, new Failure(Failure.Kind.BROKEN, problem.text()));
      return;
    }
    attempt = null;
    gateway.breakers().worked(a.candidate.listing().offerHash());
    if (renderer.streams()) {
      begin(a.candidate);
      close();
      front.piece(bytes);
      front.end(true);
    } else {
      List<Map.Entry<String, String>> headers = headers(a.candidate);
      close();
      front.whole(200, renderer.contentType(), bytes, headers, true);
    }
  }

  private void broken(Attempt a, String what) {
    if (!over && a == attempt) {
      a.stop();
      failedAt(a, new Failure(Failure.Kind.BROKEN, what));
    }
  }

  private void onFailed(Attempt a, Failure failure) {
    if (!over && a == attempt && !a.stopped) {
      failedAt(a, failure);
    }
  }

  private void failedAt(Attempt a, Failure failure) {
    attempt = null;
    kept.clear();
    keptBytes = 0;
    Hash offer = a.candidate.listing().offerHash();
    boolean its =
        switch (failure.kind()) {
          case INVALID, TOO_LONG, REFUSED, UNPAID -> false;
          case BUSY, BROKEN, TIMEOUT, CANCELLED -> true;
        };
    if (its) {
      gateway.breakers().failed(offer, failure.kind(), Gateway.nowMs());
    } else {
      gateway.breakers().worked(offer);
    }
    Problem problem = Problem.of(failure);
    if (delivered) {
      inBand(problem);
      return;
    }
    switch (failure.kind()) {
      case INVALID, REFUSED -> {
        fail(problem);
        return;
      }
      case TOO_LONG -> tooLongFor = a.candidate.listing().offer().contextTokens();
      case BROKEN -> {
        // Many failures are over at once: where nobody else serves this model, ask once more.
        boolean alone =
            next >= candidates.size() || !candidates.get(next).model().equals(a.candidate.model());
        if (alone
            && call.wishes().fallbacks()
            && System.nanoTime() - a.startNs < QUICK_NS
            && againAt.add(offer)) {
          next--;
        }
      }
      // Another offer may be cheaper.
      case BUSY, TIMEOUT, CANCELLED, UNPAID -> {}
    }
    last = problem;
    ask();
  }

  private void fail(Problem problem) {
    if (begun) {
      inBand(problem);
      return;
    }
    List<Map.Entry<String, String>> headers = headers(null);
    close();
    front.problem(problem, headers);
  }

  private void inBand(Problem problem) {
    ByteBuf bytes = front.buffer(PIECE_BYTES);
    renderer.failed(problem, new Outlet(bytes));
    close();
    front.piece(bytes);
    // The answer is framed to its end, so the connection can be used again: closing it would race
    // with the client's next request.
    front.end(readable);
  }

  private void close() {
    if (over) {
      return;
    }
    over = true;
    attempt = null;
    if (timer != null) {
      timer.cancel(false);
    }
    if (ofKey > 0) {
      Hash model = candidates.getFirst().listing().model().manifest();
      gateway.congestion().add(model, -1);
      gateway.lobby().leave(caller);
      Lobby.Seat had = seat;
      seat = null;
      if (had != null) {
        gateway.lobby().giveUp(had);
      }
      gateway.lobby().next(model);
    }
  }

  /// The client is gone: nobody computes for it any longer.
  void hungUp() {
    Attempt a = attempt;
    close();
    if (a != null) {
      a.stop();
    }
  }

  private List<Map.Entry<String, String>> headers(Router.@Nullable Candidate candidate) {
    List<Map.Entry<String, String>> out = new ArrayList<>(8);
    out.add(Map.entry("x-perseid-request", in.id()));
    if (candidate != null) {
      Market.Listing listing = candidate.listing();
      Shelf.Label label = in.shelf().label(listing);
      out.add(Map.entry("x-perseid-provider", label.provider()));
      out.add(Map.entry("x-perseid-model", label.model()));
      out.add(
          Map.entry(
              "x-perseid-congestion", Integer.toString(in.shelf().congestion(listing.model()))));
    }
    int limit = gateway.config().runningPerKey();
    out.add(Map.entry("x-ratelimit-limit-requests", Integer.toString(limit)));
    out.add(
        Map.entry("x-ratelimit-remaining-requests", Integer.toString(Math.max(0, limit - ofKey))));
    out.add(Map.entry("x-ratelimit-reset-requests", "1s"));
    if (candidate != null) {
      out.addAll(renderer.headers());
    }
    return out;
  }

  // ---- time -----------------------------------------------------------------------------------

  private void arm() {
    if (!over) {
      long wait = Math.max(1_000_000, dueNs() - System.nanoTime());
      timer = loop.schedule(this::ring, wait, TimeUnit.NANOSECONDS);
    }
  }

  /// When the next thing is due at the latest. Looked at again when the time has come, so that a
  /// part costs no new timer.
  private long dueNs() {
    GatewayConfig config = gateway.config();
    long due = wholeUntilNs;
    Attempt a = attempt;
    if (renderer.streams()) {
      due = Math.min(due, lastSentNs + config.keepAliveMs() * 1_000_000);
    }
    due =
        Math.min(
            due, System.nanoTime() + Math.min(config.firstTokenMs(), config.idleMs()) * 1_000_000);
    if (a != null) {
      long patientUntilNs = a.startNs + patienceMs(a) * 1_000_000;
      if (a.parts == 0 && System.nanoTime() < patientUntilNs) {
        // Later nothing is due by it: there was nobody else to ask.
        due = Math.min(due, patientUntilNs);
      } else if (a.parts > 0 && call.stream()) {
        due = Math.min(due, a.lastNs + config.idleMs() * 1_000_000);
      }
    }
    return due;
  }

  private long patienceMs(Attempt a) {
    if (!call.stream()) {
      return gateway.config().answerMs();
    }
    double usual = a.candidate.listing().live().firstTokenP90Ms().orElse(0);
    return Math.max(gateway.config().firstTokenMs(), (long) Math.min(usual * 4, 600_000));
  }

  private void ring() {
    if (over) {
      return;
    }
    try {
      late();
    } catch (RuntimeException e) {
      bug(e);
      return;
    }
    arm();
  }

  private void late() {
    long now = System.nanoTime();
    Attempt a = attempt;
    if (now >= wholeUntilNs) {
      Problem problem =
          new Problem(
              Problem.Kind.LATE,
              "The answer was not complete within " + gateway.config().wholeMs() / 1_000 + " s.",
              "timeout");
      if (a != null) {
        a.stop();
        attempt = null;
      }
      fail(problem);
      return;
    }
    if (a != null && a.parts == 0 && now >= a.startNs + patienceMs(a) * 1_000_000) {
      boolean others = next < candidates.size() && attempts < GatewayLimits.ATTEMPTS;
      if (others) {
        a.stop();
        failedAt(
            a, new Failure(Failure.Kind.TIMEOUT, "The provider did not begin to answer in time."));
        return;
      }
    }
    if (a != null
        && a.parts > 0
        && call.stream()
        && now >= a.lastNs + gateway.config().idleMs() * 1_000_000) {
      a.stop();
      failedAt(
          a,
          new Failure(Failure.Kind.TIMEOUT, "The provider stopped in the middle of its answer."));
      return;
    }
    if (renderer.streams() && now >= lastSentNs + gateway.config().keepAliveMs() * 1_000_000) {
      lastSentNs = now;
      ByteBuf bytes = front.buffer(PIECE_BYTES);
      renderer.waiting(new Outlet(bytes));
      if (bytes.isReadable()) {
        begin(a == null ? null : a.candidate);
        front.piece(bytes);
      } else {
        bytes.release();
      }
    }
  }
}
