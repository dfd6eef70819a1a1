package dev.perseid.gateway;

import dev.perseid.core.Hash;
import dev.perseid.inference.Failure;
import dev.perseid.inference.Request;
import io.netty.buffer.ByteBuf;
import io.netty.channel.EventLoop;
import io.netty.util.concurrent.ScheduledFuture;
import java.util.ArrayList;
import java.util.HashMap;
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
  private Market.@Nullable Caller payer;
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

  // Where the request is paid for by itself.
  private PaymentHeaders.@Nullable Sent sent;
  private Till.@Nullable Paid paid;
  private OptionalLong charge = OptionalLong.empty();
  private boolean paying;

  Exchange(
      Gateway gateway, Front front, Inbound in, Dialect dialect, Call call, Renderer renderer) {
    this.gateway = gateway;
    this.front = front;
    this.in = in;
    this.call = call;
    this.renderer = renderer;
    this.loop = front.loop();
    this.payer = in.isKnown() ? in.caller() : null;
  }

  private Market.Caller caller() {
    Market.Caller known = payer;
    if (known == null) {
      throw new IllegalStateException("nobody pays yet");
    }
    return known;
  }

  // ---- asking ---------------------------------------------------------------------------------

  /// Begins.
  ///
  /// @throws Problem if it does not: nothing has been sent then
  void start() throws Problem {
    long now = System.nanoTime();
    lastSentNs = now;
    wholeUntilNs = now + gateway.config().wholeMs() * 1_000_000;
    candidates = allowed(gateway.router(in.shelf()).candidates(call));
    if (in.till().isPresent()) {
      pay(in.till().get());
      return;
    }
    enter();
    line();
  }

  /// Those of models that the caller's key may ask.
  private List<Router.Candidate> allowed(List<Router.Candidate> all) throws Problem {
    Market.Caller known = payer;
    if (known == null || known.rights().models().isEmpty()) {
      return all;
    }
    List<Router.Candidate> mine = new ArrayList<>();
    for (Router.Candidate candidate : all) {
      if (known.rights().mayAsk(candidate.listing().model().name())) {
        mine.add(candidate);
      }
    }
    if (mine.isEmpty()) {
      throw new Problem(
          Problem.Kind.FORBIDDEN,
          "This key may ask only: " + String.join(", ", known.rights().models()) + ".",
          "model",
          "model_not_allowed",
          OptionalLong.empty());
    }
    return mine;
  }

  private void enter() throws Problem {
    ofKey = gateway.lobby().enter(caller());
    gateway.congestion().add(candidates.getFirst().listing().model().manifest(), 1);
    arm();
  }

  private void line() {
    if (gateway.lobby().isFree(candidates.getFirst().listing().model().manifest())) {
      ask();
    } else {
      await();
    }
  }

  // ---- paying ---------------------------------------------------------------------------------

  /// Takes the payment that came with the request, or says what it costs.
  private void pay(Till till) throws Problem {
    List<Till.Way> ways = till.ways();
    String header = in.headers().get(PaymentHeaders.SIGNATURE);
    PaymentHeaders.Sent came;
    try {
      came = header == null ? null : PaymentHeaders.read(header, ways);
    } catch (Problem wrong) {
      gateway.turnstile().wrong(front.from(), Gateway.nowMs());
      if (wrong.kind() == Problem.Kind.UNPAID) {
        refuse(till, wrong, null);
        return;
      }
      throw wrong;
    }
    if (came == null) {
      refuse(
          till,
          new Problem(
              Problem.Kind.UNPAID,
              "This costs something, and there is no key in the request: send 'Authorization:"
                  + " Bearer <key>' (or 'x-api-key'), or pay for this request alone (x402: see the"
                  + " header PAYMENT-REQUIRED).",
              "payment_required"),
          null);
      return;
    }
    List<Router.Candidate> payable = new ArrayList<>();
    long least = Long.MAX_VALUE;
    Map<Hash, Till.Size> sizes = new HashMap<>();
    Map<Hash, Till.Size> bounds = new HashMap<>();
    for (Router.Candidate candidate : candidates) {
      // What costs nothing to know is asked first.
      long most = PaymentHeaders.sum(most(till, candidate, bounds, false), came.way().fee());
      if (most > came.agreed()) {
        most = PaymentHeaders.sum(most(till, candidate, sizes, true), came.way().fee());
      }
      least = Math.min(least, most);
      if (most <= came.agreed()) {
        payable.add(candidate);
      }
      if (payable.size() == GatewayLimits.ATTEMPTS) {
        break;
      }
    }
    if (payable.isEmpty()) {
      refuse(
          till,
          new Problem(
              Problem.Kind.UNPAID,
              "The payment agrees to "
                  + came.agreed()
                  + " at most, but the request may cost "
                  + least
                  + " now: the price has changed, or the request has. Nothing was taken. Pay what"
                  + " PAYMENT-REQUIRED says.",
              "invalid_payment_requirements"),
          null);
      return;
    }
    candidates = payable;
    sent = came;
    payer = new Market.Caller(came.payment().payer(), Doors.NO_KEY + " " + came.payment().payer());
    enter();
    paying = true;
    till.take(
        came.way(),
        came.payment(),
        came.agreed(),
        new Till.Payee() {
          @Override
          public void paid(Till.Paid taken) {
            loop.execute(() -> taken(taken));
          }

          @Override
          public void refused(Till.Refusal refusal) {
            loop.execute(() -> notTaken(till, refusal));
          }
        });
  }

  private void taken(Till.Paid taken) {
    if (over) {
      taken.over();
      return;
    }
    paying = false;
    paid = taken;
    gateway.turnstile().paid(front.from(), Gateway.nowMs());
    try {
      line();
    } catch (RuntimeException e) {
      bug(e);
    }
  }

  private void notTaken(Till till, Till.Refusal refusal) {
    if (over) {
      return;
    }
    paying = false;
    if (refusal.blame()) {
      gateway.turnstile().wrong(front.from(), Gateway.nowMs());
    }
    try {
      refuse(till, new Problem(Problem.Kind.UNPAID, refusal.text(), refusal.reason()), refusal);
    } catch (RuntimeException e) {
      bug(e);
    }
  }

  /// Answers 402 and says what the request may cost.
  private void refuse(Till till, Problem problem, Till.@Nullable Refusal refusal) {
    List<Map.Entry<String, String>> headers = new ArrayList<>();
    headers.add(required(till, problem, refusal));
    headers.add(Map.entry("cache-control", "no-store"));
    PaymentHeaders.Sent came = sent;
    if (came != null && refusal != null && refusal.settlement()) {
      headers.add(PaymentHeaders.failed(came, refusal));
    }
    close();
    front.problem(problem, headers);
  }

  private Map.Entry<String, String> required(
      Till till, Problem problem, Till.@Nullable Refusal refusal) {
    Router.Candidate first = candidates.getFirst();
    return PaymentHeaders.required(
        problem.code(),
        PaymentHeaders.url(gateway.config().tls().isPresent(), in),
        first.model(),
        renderer.contentType(),
        till.ways(),
        most(
            till,
            first,
            new HashMap<>(),
            gateway.turnstile().counts(in.body().length, Gateway.nowMs())),
        sent,
        refusal);
  }

  /// The most that a request may cost at a candidate.
  private long most(
      Till till, Router.Candidate candidate, Map<Hash, Till.Size> sizes, boolean exactly) {
    Market.Listing listing = candidate.listing();
    Till.Size size =
        sizes.computeIfAbsent(
            listing.model().manifest(),
            model -> {
              byte[] body = call.body(candidate.model());
              return till.size(
                  new Request(in.id(), call.api(), model, body, call.stream()), exactly);
            });
    // Nobody can pay nothing.
    return Math.max(1, till.most(listing, size, mostTokens(listing)));
  }

  /// What came of the payment, if the request was paid for by itself.
  private List<Map.Entry<String, String>> receipt() {
    PaymentHeaders.Sent came = sent;
    Till.Paid taken = paid;
    return came == null || taken == null
        ? List.of()
        : List.of(PaymentHeaders.response(came, taken, charge));
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
        onFailed(this, failure, bill);
      } else {
        post(() -> onFailed(this, failure, bill));
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
        placed = gateway.market().ask(caller(), listing, request, mostTokens(listing), a);
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
      seat = gateway.lobby().await(model, caller(), this, Gateway.nowMs());
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
        // Who has paid goes on with the offers that the payment covers.
        candidates =
            paid == null ? allowed(gateway.router(gateway.shelf()).candidates(call)) : candidates;
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
      charge = OptionalLong.of(bill.charge());
      if (renderer.streams() && renderer.contentType().startsWith("text/event-stream")) {
        // For clients that cannot read trailers, as a comment, which all others skip.
        receipt().forEach(r -> out.text(": payment-response " + r.getValue() + "\n\n"));
      }
      renderer.done(bill, out);
    } catch (Problem problem) {
      charge = OptionalLong.empty();
      bytes.release();
      failedAt(a, new Failure(Failure.Kind.BROKEN, problem.text()));
      return;
    }
    attempt = null;
    gateway.breakers().worked(a.candidate.listing().offerHash());
    if (renderer.streams()) {
      begin(a.candidate);
      List<Map.Entry<String, String>> trailers = receipt();
      close();
      front.piece(bytes);
      front.end(true, trailers);
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

  private void onFailed(Attempt a, Failure failure, Market.Bill bill) {
    if (!over && a == attempt && !a.stopped) {
      charge = OptionalLong.of(bill.charge());
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
    if (paid != null && charge.isEmpty()) {
      charge = OptionalLong.of(0);
    }
    List<Map.Entry<String, String>> headers = headers(null);
    if (problem.kind() == Problem.Kind.UNPAID && paid == null && !paying) {
      gateway
          .market()
          .till()
          .filter(till -> !till.ways().isEmpty())
          .ifPresent(till -> headers.add(required(till, problem, null)));
    }
    close();
    front.problem(problem, headers);
  }

  private void inBand(Problem problem) {
    ByteBuf bytes = front.buffer(PIECE_BYTES);
    renderer.failed(problem, new Outlet(bytes));
    List<Map.Entry<String, String>> trailers = receipt();
    close();
    front.piece(bytes);
    // The answer is framed to its end, so the connection can be used again: closing it would race
    // with the client's next request.
    front.end(readable, trailers);
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
      gateway.lobby().leave(caller());
      Lobby.Seat had = seat;
      seat = null;
      if (had != null) {
        gateway.lobby().giveUp(had);
      }
      gateway.lobby().next(model);
    }
    Till.Paid taken = paid;
    if (taken != null) {
      taken.over();
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
    out.addAll(receipt());
    if (paid != null && renderer.streams() && candidate != null) {
      out.add(Map.entry("trailer", "PAYMENT-RESPONSE"));
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
    if (renderer.streams() && !paying) {
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
    if (renderer.streams()
        && !paying
        && now >= lastSentNs + gateway.config().keepAliveMs() * 1_000_000) {
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
